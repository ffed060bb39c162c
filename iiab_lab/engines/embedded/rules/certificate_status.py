"""A Certificate on its way → its status, the CertificateRequest it makes, the Secret that it fills."""

from __future__ import annotations

from ..objects.conditions import Condition, condition, find
from ..objects.kinds import SECRET
from ..objects.meta import Object, new
from . import certificates, pki

ISSUED = "The certificate has been successfully issued"
FAILED = "The certificate request has failed to complete and will be retried: "
_LIFE = ("notBefore", "notAfter", "renewalTime")
_REQUESTER = "system:serviceaccount:cert-manager:cert-manager"


def condition_of(certificate: Object, type_: str, said: tuple[bool, str, str], now: str) -> Condition:
    """`said`: (status, reason, message). Since when, is kept as long as the status is the same."""
    generation = certificate["metadata"].get("generation", 1)
    made = condition(type_, *said, now=now, observedGeneration=generation)
    known = find(certificate, type_)
    if known and known["status"] == made["status"]:
        made["lastTransitionTime"] = known.get("lastTransitionTime", now)
    return made


def with_condition(status: Object, made: Condition) -> Object:
    return status | {"conditions": [*_others(status, made["type"]), made]}


def with_life(status: Object, life: Object) -> Object:
    """`life`: {notBefore, notAfter, renewalTime}, or nothing where there is no certificate."""
    return without(status, *_LIFE) | life


def issued(status: Object, revision: int) -> Object:
    """Issuing goes, as it came: cert-manager takes the condition away."""
    kept = without(status, "lastFailureTime", "failedIssuanceAttempts")
    return kept | {"revision": revision, "conditions": _others(status, "Issuing")}


def without(status: Object, *fields: str) -> Object:
    return {name: value for name, value in status.items() if name not in fields}


def request_spec(certificate: Object, key: str) -> Object:
    """`key` is PEM: it signs the request, and stays where it is."""
    spec = certificate["spec"]
    asked = pki.csr(certificates.request(certificate), key)
    repeated = {name: spec[name] for name in ("duration", "isCA", "usages", "issuerRef") if name in spec}
    return {"request": certificates.encoded(asked), "username": _REQUESTER, **repeated}


def secret(certificate: Object, before: Object | None, request: Object, key: str) -> Object:
    """`before` keeps its type, which cannot change."""
    meta, spec, status = certificate["metadata"], certificate["spec"], request["status"]
    kind, name, group = certificates.issuer_of(spec)
    issuer = dict(zip(certificates.ISSUER, (name, kind, group), strict=True))
    annotations = {certificates.NAME: meta["name"], **issuer}
    data = {"tls.crt": status["certificate"], "tls.key": certificates.encoded(key), "ca.crt": status["ca"]}
    type_ = (before or {}).get("type", "kubernetes.io/tls")
    labels = dict(certificates.MANAGED)
    body = {"annotations": annotations, "labels": labels, "type": type_, "data": data}
    return new(SECRET, spec["secretName"], meta["namespace"], **body)


def owner_of_secret(rivals: list[Object], held: str) -> Object:
    """Of Certificates that name one Secret, the one it was issued for (`held`, its annotation), else the oldest."""
    return min(
        rivals,
        key=lambda one: (
            one["metadata"]["name"] != held,
            one["metadata"].get("creationTimestamp", ""),
            one["metadata"]["name"],
        ),
    )


def _others(status: Object, type_: str) -> list[Condition]:
    return [one for one in status.get("conditions") or () if one["type"] != type_]
