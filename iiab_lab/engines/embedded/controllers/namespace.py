"""Namespace → Active with its default service account and CA; when it is deleted, emptied first, on the machine too.

Reads:  Namespaces, every object in one that is going.
Writes: the `default` ServiceAccount, ConfigMap `kube-root-ca.crt`, the Namespace's phase; deletes its contents.
Wakes:  on the Namespace, and on what of its own every namespace has.
"""

from __future__ import annotations

from collections import Counter

from ..objects.conditions import Condition, condition, merge
from ..objects.kinds import CONFIG_MAP, NAMESPACE, SERVICE_ACCOUNT, Key, Kind
from ..objects.meta import Object, key_of, new
from ..objects.names import CONTENTS
from ..objects.times import rfc3339
from ..reconcile.ports import Client, Clock, Processes, Result, Watch

_ACCOUNT, _CA = "default", "kube-root-ca.crt"


class NamespaceController:
    name = "namespace"

    def __init__(self, client: Client, clock: Clock, processes: Processes, ca: str) -> None:
        self._client, self._clock, self._processes, self._ca = client, clock, processes, ca
        self.watches = (
            Watch(NAMESPACE, lambda namespace: [key_of(namespace)]),
            Watch(SERVICE_ACCOUNT, lambda account: _home(account, _ACCOUNT)),
            Watch(CONFIG_MAP, lambda config_map: _home(config_map, _CA)),
        )

    async def reconcile(self, key: Key) -> Result | None:
        namespace = self._client.get(NAMESPACE, key)
        if namespace is None:
            return None
        if namespace["metadata"].get("deletionTimestamp"):
            return await self._empty(namespace)
        await self._client.apply(new(SERVICE_ACCOUNT, _ACCOUNT, key.name))
        await self._client.apply(new(CONFIG_MAP, _CA, key.name, data={"ca.crt": self._ca}))
        await self._client.set_status(NAMESPACE, key, {"phase": "Active"})
        return None

    async def _empty(self, namespace: Object) -> Result | None:
        key = key_of(namespace)
        left = [
            (kind, obj) for kind in self._client.kinds() if kind.namespaced for obj in self._client.list(kind, key.name)
        ]
        for kind, obj in left:
            if not obj["metadata"].get("deletionTimestamp"):
                await self._client.delete(kind, key_of(obj))
        if left:
            before = (namespace.get("status") or {}).get("conditions")
            conditions = merge(before, _remaining(left, rfc3339(self._clock.now())))
            await self._client.set_status(NAMESPACE, key, {"phase": "Terminating", "conditions": conditions})
            return Result(0.2)
        await self._processes.forget(key.name)
        meta = {
            "name": key.name,
            "uid": namespace["metadata"]["uid"],
            "finalizers": [f for f in namespace["metadata"].get("finalizers", ()) if f != CONTENTS],
        }
        await self._client.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": meta})
        return None


def _home(obj: Object, wanted: str) -> list[Key]:
    return [Key("", obj["metadata"]["namespace"])] if obj["metadata"]["name"] == wanted else []


def _remaining(left: list[tuple[Kind, Object]], now: str) -> list[Condition]:
    """What a namespace still waits for, in Kubernetes' words."""
    kinds = Counter(f"{kind.plural}.{kind.group}" for kind, _ in left)
    held = Counter(name for _, obj in left for name in obj["metadata"].get("finalizers") or ())
    resources = ", ".join(f"{name} has {count} resource instances" for name, count in sorted(kinds.items()))
    finalizers = ", ".join(f"{name} in {count} resource instances" for name, count in sorted(held.items()))
    text = f"Some resources are remaining: {resources}"
    made = [condition("NamespaceContentRemaining", True, "SomeResourcesRemain", text, now=now)]
    text = f"Some content in the namespace has finalizers remaining: {finalizers}"
    more = condition("NamespaceFinalizersRemaining", True, "SomeFinalizersRemain", text, now=now)
    return made + ([more] if held else [])
