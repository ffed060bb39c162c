"""ClusterRole with an aggregationRule → its rules: those of every ClusterRole that it selects, together.

Reads:  ClusterRoles.
Writes: the rules of the aggregated ones.
Wakes:  every aggregated ClusterRole, on any ClusterRole.
"""

from __future__ import annotations

from ..objects.kinds import CLUSTER_ROLE, Key
from ..objects.meta import Object, key_of, labels_of
from ..objects.selectors import matches
from ..reconcile.ports import Client, Result, Watch


class ClusterRoleController:
    name = "clusterrole-aggregation-controller"

    def __init__(self, client: Client) -> None:
        self._client = client
        self.watches = (Watch(CLUSTER_ROLE, self._aggregated),)

    async def reconcile(self, key: Key) -> Result | None:
        role = self._client.get(CLUSTER_ROLE, key)
        if role is None or not role.get("aggregationRule"):
            return None
        rules = _together(role, self._client.list(CLUSTER_ROLE))
        if rules != (role.get("rules") or []):
            await self._client.apply(role | {"rules": rules})
        return None

    def _aggregated(self, changed: Object) -> list[Key]:
        return [key_of(role) for role in self._client.list(CLUSTER_ROLE) if role.get("aggregationRule")]


def _together(role: Object, others: list[Object]) -> list[Object]:
    """In the order of names, each rule once; a role never selects itself."""
    selectors = role["aggregationRule"].get("clusterRoleSelectors") or []
    rules: list[Object] = []
    for other in sorted(others, key=lambda other: other["metadata"]["name"]):
        chosen = any(matches(selector, labels_of(other)) for selector in selectors)
        if chosen and other["metadata"]["name"] != role["metadata"]["name"]:
            rules += [rule for rule in other.get("rules") or () if rule not in rules]
    return rules
