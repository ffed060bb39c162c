"""A Certificate whose condition Issuing is True → its next key, a CertificateRequest, and in the end what that brought in its Secret.

One step at a time: each starts from what is stored, so that a restart goes on where it was.
"""

from __future__ import annotations

from collections.abc import Callable

from ..objects.conditions import find, is_true
from ..objects.kinds import CERTIFICATE, CERTIFICATE_REQUEST, SECRET, Key
from ..objects.meta import Object, controller_of, key_of, new
from ..objects.times import rfc3339
from ..rules import certificate_matching, certificate_status, certificates, pki
from ..rules import certificate_policies as policies
from .events import Recorder
from .ports import Client, Clock


class Issuance:
    """Of one Certificate, for one reconciliation."""

    def __init__(self, client: Client, clock: Clock, record: Recorder, certificate: Object) -> None:
        self._client, self._clock, self._record = client, clock, record
        self.certificate = certificate

    @property
    def seen(self) -> policies.Seen:
        spec, namespace = self.certificate["spec"], self.certificate["metadata"]["namespace"]
        secret = self._client.get(SECRET, Key(namespace, spec["secretName"]))
        return policies.Seen(self.certificate, secret, self._of_revision(0), self._clock.now())

    def requests(self) -> list[Object]:
        """The oldest first."""
        meta = self.certificate["metadata"]
        found = self._client.list(CERTIFICATE_REQUEST, meta["namespace"])
        own = [one for one in found if (controller_of(one) or {}).get("uid") == meta["uid"]]
        return sorted(own, key=certificates.revision)

    def upcoming(self) -> Object | None:
        return self._of_revision(1)

    async def go_on(self) -> None:
        key = await self._next_key()
        request = await self._request(key)
        ready = find(request, "Ready") or {}
        refused = [find(request, type_) for type_ in ("Denied", "InvalidRequest") if is_true(request, type_)]
        if refused or ready.get("reason") == "Failed":
            await self._fail((refused or [ready])[0] or {})
        elif ready.get("reason") == "Issued":
            await self._finish(request, key)

    async def change(self, change: Callable[[Object], Object]) -> None:
        """On what the status is by now: whoever asked for a renewal meanwhile is not overheard."""
        key = key_of(self.certificate)
        current = self._client.get(CERTIFICATE, key)
        if current is not None:
            status = change(current.get("status") or {})
            await self._client.set_status(CERTIFICATE, key, status)
            self.certificate = {**current, "status": status}

    async def say(self, type_: str, status: bool, reason: str, message: str, **fields: object) -> None:
        """A condition, and what else of the status changes with it."""
        made = certificate_status.condition_of(self.certificate, type_, (status, reason, message), self._now())
        await self.change(lambda held: certificate_status.with_condition(held, made) | fields)

    async def forget_next_key(self) -> None:
        name = (self.certificate.get("status") or {}).get("nextPrivateKeySecretName")
        if name:
            await self._client.delete(SECRET, Key(self.certificate["metadata"]["namespace"], name))
            await self.change(lambda status: certificate_status.without(status, "nextPrivateKeySecretName"))

    async def _next_key(self) -> str:
        """PEM, of the Secret that holds it until it is used."""
        meta, request = self.certificate["metadata"], certificates.request(self.certificate)
        name = (self.certificate.get("status") or {}).get("nextPrivateKeySecretName") or f"{meta['name']}-next-key"
        held = self._client.get(SECRET, Key(meta["namespace"], name))
        key = certificates.text(held, "tls.key")
        if key and not policies.key_problem(key, request):
            return key
        key = self._kept_key(request) or pki.new_key(request)
        labels = {certificates.NEXT_KEY: "true", **certificates.MANAGED}
        data = {"tls.key": certificates.encoded(key)}
        await self._client.apply(
            new(SECRET, name, meta["namespace"], owner=self.certificate, labels=labels, type="Opaque", data=data)
        )
        await self.change(lambda status: status | {"nextPrivateKeySecretName": name})
        said = f'Stored new private key in temporary Secret resource "{name}"'
        await self._record(self.certificate, "Generated", said)
        return key

    def _kept_key(self, request: pki.Request) -> str:
        """With rotationPolicy Never, the key that is there, if it is as asked for."""
        if (self.certificate["spec"].get("privateKey") or {}).get("rotationPolicy") != "Never":
            return ""
        key = self.seen.key
        return key if key and not policies.key_problem(key, request) else ""

    async def _request(self, key: str) -> Object:
        """The one of the next revision that asks for what the Certificate says, with this key; else a new one."""
        upcoming, begun = self.upcoming(), (find(self.certificate, "Issuing") or {})["lastTransitionTime"]
        if upcoming is not None:
            failed = (find(upcoming, "Ready") or {}).get("reason") == "Failed"
            stale = failed and upcoming["status"]["failureTime"] < begun
            if not stale and not certificate_matching.asks_otherwise(upcoming, self.certificate, key):
                return upcoming
            await self._client.delete(CERTIFICATE_REQUEST, key_of(upcoming))
        made = await self._client.create(self._asked(key))
        said = f'Created new CertificateRequest resource "{made["metadata"]["name"]}"'
        await self._record(self.certificate, "Requested", said)
        return made

    def _asked(self, key: str) -> Object:
        meta, status = self.certificate["metadata"], self.certificate["status"]
        revision = status.get("revision", 0) + 1
        annotations = {
            certificates.NAME: meta["name"],
            certificates.REVISION: str(revision),
            certificates.PRIVATE_KEY: status["nextPrivateKeySecretName"],
        }
        spec = certificate_status.request_spec(self.certificate, key)
        return new(
            CERTIFICATE_REQUEST,
            f"{meta['name']}-{revision}",
            meta["namespace"],
            owner=self.certificate,
            annotations=annotations,
            labels=meta.get("labels"),
            spec=spec,
        )

    async def _finish(self, request: Object, key: str) -> None:
        secret = certificate_status.secret(self.certificate, self.seen.secret, request, key)
        await self._client.apply(secret)
        revision = certificates.revision(request)
        await self.change(lambda status: certificate_status.issued(status, revision))
        await self._record(self.certificate, "Issuing", certificate_status.ISSUED)

    async def _fail(self, why: Object) -> None:
        status, reason = self.certificate.get("status") or {}, why.get("reason", "")
        message = certificate_status.FAILED + why.get("message", "")
        times = status.get("failedIssuanceAttempts", 0) + 1
        await self.say("Issuing", False, reason, message, lastFailureTime=self._now(), failedIssuanceAttempts=times)
        await self._record(self.certificate, reason, message, "Warning")

    def _of_revision(self, ahead: int) -> Object | None:
        wanted = (self.certificate.get("status") or {}).get("revision", 0) + ahead
        return next((one for one in self.requests() if wanted and certificates.revision(one) == wanted), None)

    def _now(self) -> str:
        return rfc3339(self._clock.now())
