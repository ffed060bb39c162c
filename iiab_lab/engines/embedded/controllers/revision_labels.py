"""Revision → its routing state: whether a route leads to it. Knative's labeler.

Reads:  Revisions, the Routes of their namespace, their Configuration.
Writes: label routingState and annotation routingStateModified of Revisions.
Wakes:  on the Revision, on every Route of its namespace, on its Configuration.
"""

from __future__ import annotations

from ..objects.kinds import CONFIGURATION, REVISION, ROUTE, Key
from ..objects.meta import Object, key_of, labels_of
from ..objects.names import KN_CONFIGURATION, KN_ROUTING_STATE, KN_ROUTING_STATE_MODIFIED, KN_SERVICE
from ..objects.times import rfc3339
from ..reconcile.ports import Client, Clock, Result, Watch
from ..rules import routing_state


class RevisionLabelsController:
    name = "labeler"

    def __init__(self, client: Client, clock: Clock) -> None:
        self._client, self._clock = client, clock
        self.watches = (
            Watch(REVISION, lambda revision: [key_of(revision)], routing_state.state),
            Watch(ROUTE, self._beside),
            Watch(CONFIGURATION, self._stamped),
        )

    async def reconcile(self, key: Key) -> Result | None:
        revision = self._client.get(REVISION, key)
        if revision is None or revision["metadata"].get("deletionTimestamp"):
            return None
        routes = self._client.list(ROUTE, key.namespace)
        configuration = self._client.get(CONFIGURATION, Key(key.namespace, labels_of(revision)[KN_CONFIGURATION]))
        routed = any(routing_state.leads(route, revision, configuration) for route in routes)
        wanted = routing_state.wanted(revision, routed)
        if wanted == routing_state.state(revision) or (not routed and self._is_moving(routes, revision)):
            return None
        meta = {
            "name": key.name,
            "namespace": key.namespace,
            "uid": revision["metadata"]["uid"],
            "labels": {KN_ROUTING_STATE: wanted},
        }
        meta["annotations"] = {KN_ROUTING_STATE_MODIFIED: rfc3339(self._clock.now())}
        await self._client.apply({field: revision[field] for field in ("apiVersion", "kind")} | {"metadata": meta})
        return None

    def _is_moving(self, routes: list[Object], revision: Object) -> bool:
        """Whether a Route that may have led here still takes its traffic elsewhere."""
        of = labels_of(revision).get(KN_SERVICE) or None
        return any(
            not routing_state.settled(route) for route in routes if labels_of(route).get(KN_SERVICE) in (of, None)
        )

    def _beside(self, route: Object) -> list[Key]:
        return [key_of(revision) for revision in self._client.list(REVISION, route["metadata"]["namespace"])]

    def _stamped(self, configuration: Object) -> list[Key]:
        meta = configuration["metadata"]
        found = self._client.list(REVISION, meta["namespace"], {KN_CONFIGURATION: meta["name"]})
        return [key_of(revision) for revision in found]
