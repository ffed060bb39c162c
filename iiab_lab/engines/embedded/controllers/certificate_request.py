"""CertificateRequest → approved, and signed by its issuer. The internal approver approves all that nobody has decided on.

Reads:  CertificateRequests, their Issuer or ClusterIssuer, its Secret, and the key of one that signs itself.
Writes: status.{conditions, certificate, ca, failureTime}.
Wakes:  on the request, and on its issuer and Secrets while it waits for them.
"""

from __future__ import annotations

from ..objects.conditions import condition, find
from ..objects.kinds import CERTIFICATE_REQUEST, CLUSTER_ISSUER, ISSUER, SECRET, Key
from ..objects.meta import Object, annotations_of, key_of
from ..objects.times import rfc3339
from ..reconcile.events import Recorder
from ..reconcile.ports import Client, Clock, Result, Watch
from ..rules import certificate_requests as rules
from ..rules import certificates

CLUSTER_NAMESPACE = "cert-manager"


class CertificateRequestController:
    name = "certificaterequest"

    def __init__(self, client: Client, clock: Clock, record: Recorder) -> None:
        self._client, self._clock, self._record = client, clock, record
        self.watches = (
            Watch(CERTIFICATE_REQUEST, lambda request: [key_of(request)]),
            *(Watch(kind, lambda _: self._waiting()) for kind in (ISSUER, CLUSTER_ISSUER, SECRET)),
        )

    async def reconcile(self, key: Key) -> Result | None:
        request = self._client.get(CERTIFICATE_REQUEST, key)
        if request is None or request["metadata"].get("deletionTimestamp"):
            return None
        now = self._clock.now()
        if rules.approval(request):
            request = self._approved(request, rfc3339(now))
            await self._record(request, "cert-manager.io", rules.APPROVED)
        said = rules.outcome(request, self._signer(request), now)
        if said and said.event and (find(request, "Ready") or {}).get("reason") != said.reason:
            failed = said.reason == "Failed"
            await self._record(request, said.event, said.message, "Warning" if failed else "Normal")
        status = rules.status(request, said, rfc3339(now)) if said else request.get("status") or {}
        await self._client.set_status(CERTIFICATE_REQUEST, key, status)
        return None

    def _approved(self, request: Object, now: str) -> Object:
        made = condition("Approved", True, "cert-manager.io", rules.APPROVED, now=now)
        status = request.get("status") or {}
        return {**request, "status": {**status, "conditions": [*(status.get("conditions") or ()), made]}}

    def _signer(self, request: Object) -> rules.Signer:
        kind, name, _ = certificates.issuer_of(request["spec"])
        namespace = request["metadata"]["namespace"]
        cluster = kind == "ClusterIssuer"
        issuer = self._client.get(CLUSTER_ISSUER if cluster else ISSUER, Key("" if cluster else namespace, name))
        secret = (((issuer or {}).get("spec") or {}).get("ca") or {}).get("secretName", "")
        own = annotations_of(request).get(certificates.PRIVATE_KEY, "")
        return rules.Signer(
            issuer,
            self._client.get(SECRET, Key(CLUSTER_NAMESPACE if cluster else namespace, secret)),
            secret,
            self._client.get(SECRET, Key(namespace, own)),
        )

    def _waiting(self) -> list[Key]:
        found = self._client.list(CERTIFICATE_REQUEST)
        return [key_of(one) for one in found if (find(one, "Ready") or {}).get("reason", "Pending") == "Pending"]
