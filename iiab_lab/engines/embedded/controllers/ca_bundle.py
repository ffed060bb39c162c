"""The platform's root → ConfigMap `lab-ca` in every Namespace that asks for it. What trust-manager does on a cluster.

Reads:  Secret cert-manager/lab-root-ca, Namespaces labelled `iiab.lab/ca: "true"`.
Writes: ConfigMap `lab-ca` (key ca.crt).
Wakes:  on the Namespace, and on that Secret for all of them.
"""

from __future__ import annotations

import base64

from ..objects.kinds import CONFIG_MAP, NAMESPACE, SECRET, Key
from ..objects.meta import Object, key_of, labels_of, new
from ..reconcile.ports import Client, Result, Watch

ROOT, LABEL, BUNDLE = Key("cert-manager", "lab-root-ca"), "iiab.lab/ca", "lab-ca"


class CaBundleController:
    name = "cabundle"

    def __init__(self, client: Client) -> None:
        self._client = client
        self.watches = (Watch(NAMESPACE, lambda namespace: [key_of(namespace)]), Watch(SECRET, self._asking))

    async def reconcile(self, key: Key) -> Result | None:
        namespace, root = self._client.get(NAMESPACE, key), self._client.get(SECRET, ROOT)
        if namespace is None or root is None or labels_of(namespace).get(LABEL) != "true":
            return None
        if not namespace["metadata"].get("deletionTimestamp"):
            ca = base64.b64decode(root["data"]["ca.crt"]).decode()
            await self._client.apply(new(CONFIG_MAP, BUNDLE, key.name, data={"ca.crt": ca}))
        return None

    def _asking(self, secret: Object) -> list[Key]:
        if key_of(secret) != ROOT:
            return []
        return [key_of(namespace) for namespace in self._client.list(NAMESPACE, labels={LABEL: "true"})]
