"""ResourceQuota → how much of it is used.

Reads:  ResourceQuotas, every object of their namespaces that they count.
Writes: their status (hard, used).
Wakes:  every quota of a namespace, on any object in it.
"""

from __future__ import annotations

from ..objects import quantities
from ..objects.kinds import RESOURCE_QUOTA, Key
from ..objects.meta import Object, key_of
from ..reconcile.ports import Client, Result, Watch
from ..rules import quota as rules


class ResourceQuotaController:
    name = "resourcequota"

    def __init__(self, client: Client) -> None:
        self._client = client
        self.watches = (Watch(None, self._beside),)

    async def reconcile(self, key: Key) -> Result | None:
        quota = self._client.get(RESOURCE_QUOTA, key)
        if quota is None:
            return None
        spec = quota.get("spec") or {}
        hard = spec.get("hard") or {}
        counted = [kind for kind in self._client.kinds() if kind.namespaced and rules.measured(hard, kind)]
        objects = ((kind, obj) for kind in counted for obj in self._client.list(kind, key.namespace))
        used = rules.total(objects, hard, spec.get("scopes") or [])
        shown = {name: quantities.text(amount, hard[name]) for name, amount in used.items()}
        await self._client.set_status(RESOURCE_QUOTA, key, {"hard": hard, "used": shown})
        return None

    def _beside(self, changed: Object) -> list[Key]:
        namespace = changed["metadata"].get("namespace")
        return [key_of(quota) for quota in self._client.list(RESOURCE_QUOTA, namespace)] if namespace else []
