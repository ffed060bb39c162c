"""Namespace → Active with its default service account and CA; when it is deleted, emptied first.

Reads:  Namespaces, every object in one that is going.
Writes: the `default` ServiceAccount, ConfigMap `kube-root-ca.crt`, the Namespace's phase; deletes its contents.
Wakes:  on the Namespace.
"""

from __future__ import annotations

from ..objects.conditions import condition
from ..objects.kinds import CONFIG_MAP, NAMESPACE, SERVICE_ACCOUNT, Key
from ..objects.meta import Object, key_of, new
from ..objects.names import CONTENTS
from ..objects.times import rfc3339
from ..reconcile.ports import Client, Clock, Result, Watch


class NamespaceController:
    name = "namespace"

    def __init__(self, client: Client, clock: Clock, ca: str) -> None:
        self._client, self._clock, self._ca = client, clock, ca
        self.watches = (Watch(NAMESPACE, lambda namespace: [key_of(namespace)]),)

    async def reconcile(self, key: Key) -> Result | None:
        namespace = self._client.get(NAMESPACE, key)
        if namespace is None:
            return None
        if namespace["metadata"].get("deletionTimestamp"):
            return await self._empty(namespace)
        await self._client.apply(new(SERVICE_ACCOUNT, "default", key.name))
        await self._client.apply(new(CONFIG_MAP, "kube-root-ca.crt", key.name, data={"ca.crt": self._ca}))
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
            names = ", ".join(sorted({kind.resource for kind, _ in left}))
            now, text = rfc3339(self._clock.now()), f"Some resources are remaining: {names}"
            remaining = condition("NamespaceContentRemaining", True, "SomeResourcesRemain", text, now=now)
            await self._client.set_status(NAMESPACE, key, {"phase": "Terminating", "conditions": [remaining]})
            return Result(0.2)
        meta = {
            "name": key.name,
            "finalizers": [f for f in namespace["metadata"].get("finalizers", ()) if f != CONTENTS],
        }
        await self._client.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": meta})
        return None
