"""The platform's roots → bundles in every Namespace that asks for them. What trust-manager does on a cluster.

Reads:  Secrets cert-manager/lab-root-ca and mesh-root-ca; ConfigMaps of those names and `-previous`, each with a root that is
        on its way out; Namespaces labelled `iiab.lab/ca: "true"`.
Writes: ConfigMaps `lab-ca` (ca.crt) and, by Istio's name, `istio-ca-root-cert` (root-cert.pem); the first as a Secret, too,
        where the Namespace's annotation `iiab.lab/ca-secret` says its name.
Wakes:  on the Namespace, and on those roots for all of them.
"""

from __future__ import annotations

from typing import NamedTuple

from ..objects.kinds import CONFIG_MAP, NAMESPACE, SECRET, Key
from ..objects.meta import Object, annotations_of, key_of, labels_of, new
from ..reconcile.ports import Client, Result, Watch
from ..rules import certificates
from ..rules.workload_certificates import ROOTS, ROOTS_KEY

LABEL, AS_SECRET = "iiab.lab/ca", "iiab.lab/ca-secret"


class Bundle(NamedTuple):
    """`root` is the Secret of the root that signs; `name` and `entry` are the ConfigMap's."""

    root: Key
    name: str
    entry: str

    @property
    def previous(self) -> Key:
        return Key(self.root.namespace, f"{self.root.name}-previous")


EDGE = Bundle(Key("cert-manager", "lab-root-ca"), "lab-ca", "ca.crt")
MESH = Bundle(Key("cert-manager", "mesh-root-ca"), ROOTS.name, ROOTS_KEY)
FILE = Key("istio-system", EDGE.name)  # what stands in the home, too, as ca.crt
_SOURCES = {key for bundle in (EDGE, MESH) for key in (bundle.root, bundle.previous)}


class CaBundleController:
    name = "cabundle"

    def __init__(self, client: Client) -> None:
        self._client = client
        self.watches = (
            Watch(NAMESPACE, lambda namespace: [key_of(namespace)]),
            Watch(SECRET, self._asking),
            Watch(CONFIG_MAP, self._asking),
        )

    async def reconcile(self, key: Key) -> Result | None:
        namespace = self._client.get(NAMESPACE, key)
        if namespace is None or labels_of(namespace).get(LABEL) != "true":
            return None
        if not namespace["metadata"].get("deletionTimestamp"):
            for bundle in (EDGE, MESH):
                if pem := self._roots(bundle):
                    await self._client.apply(new(CONFIG_MAP, bundle.name, key.name, data={bundle.entry: pem}))
            await self._as_secret(namespace)
        return None

    async def _as_secret(self, namespace: Object) -> None:
        name, pem = annotations_of(namespace).get(AS_SECRET), self._roots(EDGE)
        if name and pem:
            data = {EDGE.entry: certificates.encoded(pem)}
            await self._client.apply(new(SECRET, name, namespace["metadata"]["name"], type="Opaque", data=data))

    def _roots(self, bundle: Bundle) -> str:
        """The one that signs, then the one before it; PEM."""
        now = certificates.text(self._client.get(SECRET, bundle.root), "tls.crt")
        before = ((self._client.get(CONFIG_MAP, bundle.previous) or {}).get("data") or {}).get(bundle.entry, "")
        return now + before if before != now else now

    def _asking(self, source: Object) -> list[Key]:
        if key_of(source) not in _SOURCES:
            return []
        return [key_of(namespace) for namespace in self._client.list(NAMESPACE, labels={LABEL: "true"})]
