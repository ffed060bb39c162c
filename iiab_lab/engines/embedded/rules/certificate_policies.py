"""A Certificate, its Secret and its current request → why it must be issued anew, or is not ready: cert-manager's checks, in its order.

Each check gives (reason, message), or None where it finds nothing wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import NamedTuple

from ..objects.meta import Object, annotations_of
from ..objects.times import rfc3339, seconds
from . import certificate_matching as matching
from . import certificates, pki

Verdict = tuple[str, str] | None
READY = "Ready", "Certificate is up to date and has not expired"
_BACK_OFF, _MOST = 3600.0, 32 * 3600.0


class Seen(NamedTuple):
    """`request` is the CertificateRequest of the Certificate's current revision, `now` in seconds since the epoch."""

    certificate: Object
    secret: Object | None
    request: Object | None
    now: float

    @property
    def chain(self) -> str:
        return certificates.text(self.secret, "tls.crt")

    @property
    def key(self) -> str:
        return certificates.text(self.secret, "tls.key")


def to_issue(seen: Seen) -> Verdict:
    return _first(seen, *_CHECKS, _nears_its_end)


def not_ready(seen: Seen) -> Verdict:
    return _first(seen, *_CHECKS, _has_expired)


def life(seen: Seen) -> Object:
    """status.{notBefore, notAfter, renewalTime} of what the Secret holds; nothing where that is no certificate."""
    try:
        held = pki.describe(seen.chain)
    except ValueError:
        return {}
    begins, ends = held.not_valid_before_utc.timestamp(), held.not_valid_after_utc.timestamp()
    due = certificates.renewal(seen.certificate, begins, ends)
    return {"notBefore": rfc3339(begins), "notAfter": rfc3339(ends), "renewalTime": rfc3339(due)}


def key_problem(key: str, request: pki.Request) -> str:
    """Why a key (PEM) is none, or not as asked for."""
    try:
        return " ".join(pki.key_violations(request, pki.private_key(key)))
    except (ValueError, TypeError) as error:
        return str(error)


def back_off(certificate: Object, upcoming: Object | None, now: float) -> float:
    """How many seconds yet, after a failure: an hour, twice as long each time; none once the Certificate was changed."""
    status = certificate.get("status") or {}
    if "lastFailureTime" not in status or (upcoming and matching.mismatches(upcoming, certificate)):
        return 0.0
    times = max(1, status.get("failedIssuanceAttempts", 1))
    return max(0.0, seconds(status["lastFailureTime"]) + min(_MOST, _BACK_OFF * 2.0 ** (times - 1)) - now)


def _first(seen: Seen, *checks: Callable[[Seen], Verdict]) -> Verdict:
    return next((found for check in checks if (found := check(seen))), None)


def _is_there(seen: Seen) -> Verdict:
    return None if seen.secret else ("DoesNotExist", "Issuing certificate as Secret does not exist")


def _has_data(seen: Seen) -> Verdict:
    if not (seen.secret or {}).get("data"):
        return "MissingData", "Issuing certificate as Secret does not contain any data"
    for held, what in ((seen.key, "private key"), (seen.chain, "certificate")):
        if not held:
            return "MissingData", f"Issuing certificate as Secret does not contain a {what}"
    return None


def _is_pair(seen: Seen) -> Verdict:
    try:
        key = pki.private_key(seen.key)
    except (ValueError, TypeError) as error:
        return "InvalidKeyPair", f"Issuing certificate as Secret contains invalid private key data: {error}"
    try:
        public = pki.describe(seen.chain).public_key()
    except ValueError as error:
        return "InvalidCertificate", f"Issuing certificate as Secret contains an invalid certificate: {error}"
    if public == key.public_key():
        return None
    return "InvalidKeyPair", "Issuing certificate as Secret contains a private key that does not match the certificate"


def _is_of_the_issuer(seen: Seen) -> Verdict:
    """By the annotations; a root without any is left as it is: what hangs from it would hang from nothing."""
    kind, name, group = certificates.issuer_of(seen.certificate["spec"])
    said = annotations_of(seen.secret or {"metadata": {}})
    told = any(one in said for one in certificates.ISSUER)
    held = pki.describe(seen.chain)
    if not told and held.issuer == held.subject:
        return None
    by, kind_of, group_of = (said.get(one, "") for one in certificates.ISSUER)
    found = kind_of or "Issuer", group_of or "cert-manager.io"
    if found == (kind, group) and (by == name or not told):
        return None
    return "IncorrectIssuer", f'Issuing certificate as Secret was previously issued by "{found[0]}.{found[1]}/{by}"'


def _is_of_the_certificate(seen: Seen) -> Verdict:
    own = seen.certificate["metadata"]["name"]
    said = annotations_of(seen.secret or {"metadata": {}}).get(certificates.NAME, own)
    if said == own:
        return None
    return "IncorrectCertificate", (
        f'Secret was issued for "{said}". If this message is not transient, you might have two conflicting Certificates '
        "pointing to the same secret."
    )


def _has_the_right_key(seen: Seen) -> Verdict:
    wrong = pki.key_violations(certificates.request(seen.certificate), pki.private_key(seen.key))
    return (
        ("SecretMismatch", f"Existing private key is not up to date for spec: [{' '.join(wrong)}]") if wrong else None
    )


def _is_of_the_request(seen: Seen) -> Verdict:
    if seen.request is None:
        return None
    try:
        asked = matching.csr(seen.request)
    except ValueError as error:
        return "InvalidCertificateRequest", f"Failed to decode current CertificateRequest: {error}"
    if asked.public_key() == pki.private_key(seen.key).public_key():
        return None
    return "SecretMismatch", "Secret contains a private key that does not match the current CertificateRequest"


def _says_what_is_asked(seen: Seen) -> Verdict:
    if seen.request is not None:
        wrong = matching.mismatches(seen.request, seen.certificate)
        message = f"Fields on existing CertificateRequest resource not up to date: [{' '.join(wrong)}]"
        return ("RequestChanged", message) if wrong else None
    wrong = matching.differing_names(matching.names(pki.describe(seen.chain)), certificates.request(seen.certificate))
    message = f"Issuing certificate as Existing issued Secret is not up to date for spec: [{' '.join(wrong)}]"
    return ("SecretMismatch", message) if wrong else None


def _nears_its_end(seen: Seen) -> Verdict:
    due = seconds(life(seen)["renewalTime"])
    if due > seen.now:
        return None
    at = datetime.fromtimestamp(due, UTC).strftime("%Y-%m-%d %H:%M:%S +0000 UTC")
    return "Renewing", f"Renewing certificate as renewal was scheduled at {at}"


def _has_expired(seen: Seen) -> Verdict:
    ended = pki.describe(seen.chain).not_valid_after_utc
    if ended.timestamp() >= seen.now:
        return None
    return "Expired", f"Certificate expired on {ended.strftime('%a, %d %b %Y %H:%M:%S UTC')}"


_CHECKS = (
    _is_there,
    _has_data,
    _is_pair,
    _is_of_the_issuer,
    _is_of_the_certificate,
    _has_the_right_key,
    _is_of_the_request,
    _says_what_is_asked,
)
