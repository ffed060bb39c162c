"""Certificate → a CertificateRequest, and its result in a Secret; again in time, when it was changed, and when it is asked for.

Reads:  Certificates, the Secret they fill, the CertificateRequests they own.
Writes: CertificateRequests; the Secret (kubernetes.io/tls), and one with the next key meanwhile; the Certificate's status.
Wakes:  on the Certificate, on its Secrets and requests; when it is time to renew, or to try again.
"""

from __future__ import annotations

from ..objects.conditions import is_true
from ..objects.kinds import CERTIFICATE, CERTIFICATE_REQUEST, SECRET, Key
from ..objects.meta import Object, annotations_of, key_of, owner_keys
from ..objects.times import seconds
from ..reconcile.events import Recorder
from ..reconcile.issuance import Issuance
from ..reconcile.ports import Client, Clock, Result, Watch
from ..rules import certificate_policies as policies
from ..rules import certificate_status, certificates

_RIVAL_SECONDS = 180.0


class CertificateController:
    name = "certificate"

    def __init__(self, client: Client, clock: Clock, record: Recorder) -> None:
        self._client, self._clock, self._record = client, clock, record
        self.watches = (
            Watch(CERTIFICATE, lambda certificate: [key_of(certificate)]),
            Watch(CERTIFICATE_REQUEST, owner_keys("Certificate")),
            Watch(SECRET, self._filled),
        )

    async def reconcile(self, key: Key) -> Result | None:
        certificate = self._client.get(CERTIFICATE, key)
        if certificate is None or certificate["metadata"].get("deletionTimestamp"):
            return None
        issuance, after = Issuance(self._client, self._clock, self._record, certificate), None
        if is_true(certificate, "Issuing"):
            await issuance.go_on()
        else:
            await issuance.forget_next_key()
            after = await self._trigger(issuance)
        await self._tell_readiness(issuance)
        await self._forget_old_requests(issuance)
        return Result(after)

    async def _trigger(self, issuance: Issuance) -> float:
        """Seconds until the next look."""
        if not self._owns_its_secret(issuance):
            return _RIVAL_SECONDS
        seen = issuance.seen
        if left := policies.back_off(seen.certificate, issuance.upcoming(), seen.now):
            return left
        if found := policies.to_issue(seen):
            await issuance.say("Issuing", True, *found)
            await self._record(seen.certificate, "Issuing", found[1])
            return 0.0
        return max(0.0, seconds(policies.life(seen)["renewalTime"]) - seen.now)

    def _owns_its_secret(self, issuance: Issuance) -> bool:
        """Two that fill one Secret would undo each other's work without end."""
        certificate, secret = issuance.certificate, issuance.seen.secret
        name, namespace = certificate["spec"]["secretName"], certificate["metadata"]["namespace"]
        rivals = [one for one in self._client.list(CERTIFICATE, namespace) if one["spec"]["secretName"] == name]
        held = annotations_of(secret).get(certificates.NAME, "") if secret else ""
        owner = certificate_status.owner_of_secret(rivals or [certificate], held)
        return key_of(owner) == key_of(certificate)

    async def _tell_readiness(self, issuance: Issuance) -> None:
        seen = issuance.seen
        wrong, life = policies.not_ready(seen), policies.life(seen)
        await issuance.change(lambda status: certificate_status.with_life(status, life))
        await issuance.say("Ready", not wrong, *(wrong or policies.READY))

    async def _forget_old_requests(self, issuance: Issuance) -> None:
        if is_true(issuance.certificate, "Ready"):
            requests, most = issuance.requests(), issuance.certificate["spec"].get("revisionHistoryLimit", 1)
            for request in requests[: max(0, len(requests) - most)]:
                await self._client.delete(CERTIFICATE_REQUEST, key_of(request))

    def _filled(self, secret: Object) -> list[Key]:
        meta = secret["metadata"]
        names = (meta["name"], *(owner.name for owner in owner_keys("Certificate")(secret)))
        found = self._client.list(CERTIFICATE, meta["namespace"])
        return [key_of(c) for c in found if c["spec"]["secretName"] == names[0] or c["metadata"]["name"] in names[1:]]
