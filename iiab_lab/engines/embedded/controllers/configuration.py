"""Configuration → a Revision for every generation of its template; the newest that is ready → its status.

Reads:  Configurations, their Revisions.
Writes: Revisions; status.{latestCreatedRevisionName, latestReadyRevisionName, conditions}.
Wakes:  on the Configuration and on every Revision it owns.
"""

from __future__ import annotations

from ..objects.conditions import condition, find, is_true, merge
from ..objects.kinds import CONFIGURATION, REVISION, Key
from ..objects.meta import Object, key_of, labels_of, owner_keys
from ..objects.names import KN_CONFIGURATION
from ..objects.times import rfc3339
from ..reconcile.ports import Client, Clock, Result, Watch
from ..rules import knative, knative_names


class ConfigurationController:
    name = "configuration"

    def __init__(self, client: Client, clock: Clock) -> None:
        self._client, self._clock = client, clock
        self.watches = (Watch(CONFIGURATION, lambda c: [key_of(c)]), Watch(REVISION, owner_keys("Configuration")))

    async def reconcile(self, key: Key) -> Result | None:
        configuration = self._client.get(CONFIGURATION, key)
        if configuration is None or configuration["metadata"].get("deletionTimestamp"):
            return None
        wanted = knative.revision(configuration)
        latest = self._client.get(REVISION, key_of(wanted))
        if latest is None:
            latest = await self._client.create(wanted)
        elif knative_names.is_taken(wanted, latest):
            await self._client.set_status(CONFIGURATION, key, self._taken(configuration, latest))
            return None
        ready = self._latest_ready(configuration, latest)
        await self._client.set_status(CONFIGURATION, key, self._status(configuration, latest, ready))
        return None

    def _taken(self, configuration: Object, found: Object) -> Object:
        why = f'revisions.serving.knative.dev "{found["metadata"]["name"]}" already exists'
        message = f"Revision creation failed with message: {why}."
        made = condition("Ready", False, "RevisionFailed", message, now=rfc3339(self._clock.now()))
        before = configuration.get("status") or {}
        generation = configuration["metadata"].get("generation", 1)
        return {**before, "observedGeneration": generation, "conditions": merge(before.get("conditions"), [made])}

    def _latest_ready(self, configuration: Object, latest: Object) -> str:
        """The youngest that is or was ready: a Revision that fails later does not hand traffic back by itself.

        One that the template names comes first, however old it is.
        """
        if knative_names.name(configuration["spec"]["template"]) and is_true(latest, "Ready"):
            return str(latest["metadata"]["name"])
        listed = self._client.list(
            REVISION, configuration["metadata"]["namespace"], {KN_CONFIGURATION: configuration["metadata"]["name"]}
        )
        ready = [revision for revision in listed if is_true(revision, "Ready")]
        newest = max(ready, key=_generation, default=None)
        before: str = (configuration.get("status") or {}).get("latestReadyRevisionName", "")
        known = self._client.get(REVISION, Key(configuration["metadata"]["namespace"], before)) if before else None
        if newest is None or (known and _generation(known) > _generation(newest)):
            return before
        return str(newest["metadata"]["name"])

    def _status(self, configuration: Object, latest: Object, ready: str) -> Object:
        now, name = rfc3339(self._clock.now()), latest["metadata"]["name"]
        status: Object = {"observedGeneration": configuration["metadata"].get("generation", 1)}
        status |= {"latestCreatedRevisionName": name} | ({"latestReadyRevisionName": ready} if ready else {})
        found = find(latest, "Ready") or {"status": "Unknown"}
        if found["status"] == "False":
            message = f'Revision "{name}" failed with message: {found.get("message", "")}.'
            made = condition("Ready", False, "RevisionFailed", message, now=now)
        else:
            made = condition("Ready", found["status"], now=now)
        return status | {"conditions": merge((configuration.get("status") or {}).get("conditions"), [made])}


def _generation(revision: Object) -> int:
    return int(labels_of(revision)[knative_names.GENERATION])
