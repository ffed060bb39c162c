"""Issuer and ClusterIssuer → Ready, once the key pair they sign with is there.

Reads:  the issuers, the Secret a CA issuer names (a ClusterIssuer's in namespace cert-manager).
Writes: their status.
Wakes:  on the issuer and on Secrets that issuers name.
"""

from __future__ import annotations

from ..objects.conditions import condition, merge
from ..objects.kinds import CLUSTER_ISSUER, ISSUER, SECRET, Key
from ..objects.meta import Object, key_of
from ..objects.times import rfc3339
from ..reconcile.ports import Client, Clock, Result, Watch
from ..rules import certificates, pki

CLUSTER_NAMESPACE = "cert-manager"


class IssuerController:
    name = "issuer"

    def __init__(self, client: Client, clock: Clock) -> None:
        self._client, self._clock = client, clock
        self.watches = (
            Watch(ISSUER, lambda issuer: [key_of(issuer)]),
            Watch(CLUSTER_ISSUER, lambda issuer: [key_of(issuer)]),
            Watch(SECRET, self._named),
        )

    async def reconcile(self, key: Key) -> Result | None:
        kind = ISSUER if key.namespace else CLUSTER_ISSUER
        issuer = self._client.get(kind, key)
        if issuer is not None:
            now = rfc3339(self._clock.now())
            made = condition(
                "Ready", *self._verdict(issuer), now=now, observedGeneration=issuer["metadata"]["generation"]
            )
            before = (issuer.get("status") or {}).get("conditions")
            await self._client.set_status(kind, key, {"conditions": merge(before, [made])})
        return None

    def _verdict(self, issuer: Object) -> tuple[bool, str, str]:
        if "selfSigned" in issuer["spec"]:
            return True, "IsReady", ""
        name = (issuer["spec"].get("ca") or {}).get("secretName", "")
        namespace = issuer["metadata"].get("namespace") or CLUSTER_NAMESPACE
        authority = certificates.authority(self._client.get(SECRET, Key(namespace, name)))
        if authority is None:
            return False, "ErrGetKeyPair", f'Error getting keypair for CA issuer: secret "{name}" not found'
        if not pki.is_ca(authority.chain):
            return False, "ErrInvalidKeyPair", "Error getting keypair for CA issuer: certificate is not a CA"
        return True, "KeyPairVerified", "Signing CA verified"

    def _named(self, secret: Object) -> list[Key]:
        meta = secret["metadata"]
        found = [issuer for issuer in self._client.list(ISSUER, meta["namespace"])]
        found += self._client.list(CLUSTER_ISSUER) if meta["namespace"] == CLUSTER_NAMESPACE else []
        return [
            key_of(issuer) for issuer in found if (issuer["spec"].get("ca") or {}).get("secretName") == meta["name"]
        ]
