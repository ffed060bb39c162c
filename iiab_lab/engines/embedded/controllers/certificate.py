"""Certificate → a Secret with key, certificate and CA, renewed in time.

Reads:  Certificates, their issuer and its Secret, the Secret they fill.
Writes: the Secret (kubernetes.io/tls); status.{notBefore, notAfter, renewalTime, revision, conditions}.
Wakes:  on the Certificate, on its Secret, on every issuer; when it is time to renew.
"""

from __future__ import annotations

import base64

from ..objects.conditions import condition, merge
from ..objects.kinds import CERTIFICATE, CLUSTER_ISSUER, ISSUER, SECRET, Key
from ..objects.meta import Object, key_of, new
from ..objects.times import rfc3339, seconds
from ..reconcile.events import Recorder
from ..reconcile.ports import Client, Clock, Result, Watch
from ..rules import certificates, pki

CLUSTER_NAMESPACE = "cert-manager"
_READY = "Certificate is up to date and has not expired"


class CertificateController:
    name = "certificate"

    def __init__(self, client: Client, clock: Clock, record: Recorder) -> None:
        self._client, self._clock, self._record = client, clock, record
        self.watches = (
            Watch(CERTIFICATE, lambda certificate: [key_of(certificate)]),
            Watch(SECRET, self._filled),
            Watch(ISSUER, self._signed),
            Watch(CLUSTER_ISSUER, self._signed),
        )

    async def reconcile(self, key: Key) -> Result | None:
        certificate = self._client.get(CERTIFICATE, key)
        if certificate is None or certificate["metadata"].get("deletionTimestamp"):
            return None
        ready, authority = self._issuer(certificate)
        if not ready:
            return await self._waits(certificate, "the issuer is not ready")
        secret = self._client.get(SECRET, Key(key.namespace, certificate["spec"]["secretName"]))
        reason = certificates.mismatch(certificate, secret, authority) or self._is_due(certificate)
        if reason:
            await self._issue(certificate, authority, reason)
            return Result(0.0)
        due = seconds(certificate["status"]["renewalTime"]) if "renewalTime" in (certificate.get("status") or {}) else 0
        return Result(max(0.0, due - self._clock.now())) if due else None

    def _issuer(self, certificate: Object) -> tuple[bool, pki.Authority | None]:
        """(ready, authority): a self-signed issuer is ready and has none."""
        reference = certificate["spec"]["issuerRef"]
        cluster = reference.get("kind") == "ClusterIssuer"
        namespace = certificate["metadata"]["namespace"]
        kind, key = (
            (CLUSTER_ISSUER, Key("", reference["name"])) if cluster else (ISSUER, Key(namespace, reference["name"]))
        )
        issuer = self._client.get(kind, key)
        if issuer is None:
            return False, None
        if "selfSigned" in issuer["spec"]:
            return True, None
        held = Key(CLUSTER_NAMESPACE if cluster else namespace, (issuer["spec"].get("ca") or {}).get("secretName", ""))
        authority = certificates.authority(self._client.get(SECRET, held))
        return authority is not None, authority

    def _is_due(self, certificate: Object) -> str:
        status = certificate.get("status") or {}
        if "renewalTime" not in status:
            return "SecretMismatch"  # a Secret of somebody else's making
        return "Renewing" if seconds(status["renewalTime"]) <= self._clock.now() else ""

    async def _issue(self, certificate: Object, authority: pki.Authority | None, reason: str) -> None:
        meta, spec, now = certificate["metadata"], certificate["spec"], self._clock.now()
        issued = pki.issue(certificates.request(certificate), authority, now)
        await self._record(certificate, "Issuing", f"Issuing certificate: {reason}")
        text = {"tls.crt": issued.chain, "tls.key": issued.key, "ca.crt": issued.root}
        data = {name: base64.b64encode(value.encode()).decode() for name, value in text.items()}
        annotations = {"cert-manager.io/certificate-name": meta["name"]}
        secret = new(
            SECRET, spec["secretName"], meta["namespace"], annotations=annotations, type="kubernetes.io/tls", data=data
        )
        await self._client.apply(secret)
        status = {
            "notBefore": rfc3339(issued.not_before),
            "notAfter": rfc3339(issued.not_after),
            "renewalTime": rfc3339(certificates.renewal(certificate, issued.not_before, issued.not_after)),
            "revision": (certificate.get("status") or {}).get("revision", 0) + 1,
        }
        await self._say(certificate, status, condition("Ready", True, "Ready", _READY, now=rfc3339(now)))

    async def _waits(self, certificate: Object, why: str) -> None:
        reference = certificate["spec"]["issuerRef"]
        message = f"Referenced {reference.get('kind', 'Issuer')} {reference['name']!r}: {why}"
        made = condition("Ready", False, "DoesNotExist", message, now=rfc3339(self._clock.now()))
        if not (certificate.get("status") or {}).get("notAfter"):
            await self._say(certificate, certificate.get("status") or {}, made)

    async def _say(self, certificate: Object, status: Object, made: Object) -> None:
        made["observedGeneration"] = certificate["metadata"].get("generation", 1)
        before = (certificate.get("status") or {}).get("conditions")
        await self._client.set_status(CERTIFICATE, key_of(certificate), status | {"conditions": merge(before, [made])})

    def _filled(self, secret: Object) -> list[Key]:
        meta = secret["metadata"]
        found = self._client.list(CERTIFICATE, meta["namespace"])
        own = [key_of(c) for c in found if c["spec"]["secretName"] == meta["name"]]
        return own + (self._all() if meta["namespace"] == CLUSTER_NAMESPACE else [])

    def _signed(self, issuer: Object) -> list[Key]:
        name = issuer["metadata"]["name"]
        return [key_of(c) for c in self._client.list(CERTIFICATE) if c["spec"]["issuerRef"]["name"] == name]

    def _all(self) -> list[Key]:
        return [key_of(certificate) for certificate in self._client.list(CERTIFICATE)]
