"""Configuration → its Revisions that nobody needs any more are deleted. Knative's garbage collection of revisions.

Reads:  Configurations, their Revisions, ConfigMap knative-serving/config-gc.
Writes: nothing; deletes Revisions.
Wakes:  on the Configuration, on its Revisions' routing state, on the ConfigMap, and every ten hours.
"""

from __future__ import annotations

from ..objects.kinds import CONFIG_MAP, CONFIGURATION, REVISION, Key
from ..objects.meta import Object, key_of, owner_keys
from ..objects.names import KN_CONFIGURATION
from ..reconcile.ports import Client, Clock, Result, Watch
from ..rules import revision_gc, routing_state
from ..rules.revision_gc import Config

_AGAIN = 10 * 3600.0  # time alone makes revisions stale


class RevisionCollector:
    name = "revisiongc"

    def __init__(self, client: Client, clock: Clock) -> None:
        self._client, self._clock = client, clock
        self.watches = (
            Watch(CONFIGURATION, lambda configuration: [key_of(configuration)]),
            Watch(REVISION, owner_keys("Configuration"), routing_state.state),
            Watch(CONFIG_MAP, self._concerned),
        )

    async def reconcile(self, key: Key) -> Result | None:
        configuration = self._client.get(CONFIGURATION, key)
        if configuration is None or configuration["metadata"].get("deletionTimestamp"):
            return None
        config = Config.of(self._client.get(CONFIG_MAP, revision_gc.KEY))
        revisions = self._client.list(REVISION, key.namespace, {KN_CONFIGURATION: key.name})
        for name in revision_gc.collected(config, configuration, revisions, self._clock.now()):
            await self._client.delete(REVISION, Key(key.namespace, name))
        return Result(after=_AGAIN)

    def _concerned(self, config_map: Object) -> list[Key]:
        if key_of(config_map) != revision_gc.KEY:
            return []
        return [key_of(configuration) for configuration in self._client.list(CONFIGURATION)]
