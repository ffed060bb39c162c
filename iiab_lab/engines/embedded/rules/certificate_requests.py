"""A CertificateRequest, its issuer and that one's key pair → its next status, in cert-manager's words."""

from __future__ import annotations

from typing import NamedTuple

from ..objects.conditions import condition, find, is_true
from ..objects.meta import Object, annotations_of
from . import certificate_matching, certificates, pki

_ISSUED, _PENDING, _FAILED, _DENIED = "Issued", "Pending", "Failed", "Denied"
APPROVED = "Certificate request has been approved by cert-manager.io"
ISSUED = "Certificate fetched from issuer successfully"
_WAS_DENIED = "The CertificateRequest was denied by an approval controller"


class Outcome(NamedTuple):
    """What Ready says and, where it was signed, the certificate. `event`: the reason of the Event, where there is one."""

    status: bool
    reason: str
    message: str
    event: str = ""
    issued: pki.Issued | None = None


class Signer(NamedTuple):
    """`issuer` None: there is none of that name. `secret` is the CA's; `own` the one with the requester's key, by annotation."""

    issuer: Object | None
    secret: Object | None
    secret_name: str
    own: Object | None


def approval(request: Object) -> bool:
    """Whether it is for the internal approver to approve: nobody decided, and it is not through."""
    done = (find(request, "Ready") or {}).get("reason") in (_FAILED, _ISSUED)
    return not (is_true(request, "Approved") or is_true(request, "Denied") or done)


def outcome(request: Object, signer: Signer, now: float) -> Outcome | None:
    """None: nothing to say, as it is through already, or not ours."""
    if certificates.issuer_of(request["spec"])[2] != "cert-manager.io":
        return None
    if is_true(request, "Denied"):
        return Outcome(False, _DENIED, _WAS_DENIED)
    reason = (find(request, "Ready") or {}).get("reason")
    if is_true(request, "InvalidRequest") or not is_true(request, "Approved") or reason in (_FAILED, _ISSUED):
        return None
    if signer.issuer is None:
        kind, name, _ = certificates.issuer_of(request["spec"])
        resource = f'{kind.lower()}.cert-manager.io "{name}" not found'
        return Outcome(False, _PENDING, f'Referenced "{kind}" not found: {resource}', "IssuerNotFound")
    if not is_true(signer.issuer, "Ready"):
        return Outcome(False, _PENDING, "Referenced issuer does not have a Ready status condition", "IssuerNotReady")
    return _signed(request, signer, now)


def status(request: Object, said: Outcome, now: str) -> Object:
    """`now` is RFC 3339."""
    before = request.get("status") or {}
    made = condition("Ready", said.status, said.reason, said.message, now=now)
    known = find(request, "Ready")
    if known and known["status"] == made["status"]:
        made["lastTransitionTime"] = known["lastTransitionTime"]
    status = {**before, "conditions": [c for c in before.get("conditions") or () if c["type"] != "Ready"] + [made]}
    if said.reason in (_FAILED, _DENIED):
        status.setdefault("failureTime", now)
    if said.issued:
        status |= {
            "certificate": certificates.encoded(said.issued.chain),
            "ca": certificates.encoded(said.issued.root),
        }
    return status


def _signed(request: Object, signer: Signer, now: float) -> Outcome:
    issuer = signer.issuer or {}
    if "selfSigned" in issuer["spec"]:
        authority: pki.Authority | Outcome = _own_authority(request, signer)
    else:
        where = f"{_namespace(request, issuer)}/{signer.secret_name}"
        authority = certificates.authority(signer.secret) or Outcome(
            False, _PENDING, f"Referenced secret {where} not found", "SecretMissing"
        )
    if isinstance(authority, Outcome):
        return authority
    asked = certificates.decoded(request["spec"]["request"])
    try:
        issued = pki.sign(asked, certificates.request(request), authority, now)
    except ValueError as error:
        return Outcome(False, _FAILED, f"Error generating certificate template: {error}", "SigningError")
    return Outcome(True, _ISSUED, ISSUED, "CertificateIssued", issued)


def _own_authority(request: Object, signer: Signer) -> pki.Authority | Outcome:
    """A self-signed issuer signs with the key of who asks, which an annotation names the Secret of."""
    name, namespace = annotations_of(request).get(certificates.PRIVATE_KEY, ""), request["metadata"]["namespace"]
    if not name:
        said = f'Annotation "{certificates.PRIVATE_KEY}" missing or reference empty: secret name missing'
        return Outcome(False, _FAILED, said, "MissingAnnotation")
    if signer.own is None:
        said = f'Referenced secret {namespace}/{name} not found: secret "{name}" not found'
        return Outcome(False, _PENDING, said, "MissingSecret")
    key = certificates.text(signer.own, "tls.key")
    try:
        private = pki.private_key(key)
        asked = certificate_matching.csr(request)
    except (ValueError, TypeError) as error:
        said = f'Failed to get key "{name}" referenced in annotation "{certificates.PRIVATE_KEY}": {error}'
        return Outcome(False, _PENDING, said, "ErrorParsingKey")
    if private.public_key() != asked.public_key():
        said = "Error generating certificate template: CSR not signed by referenced private key"
        return Outcome(False, _FAILED, said, "ErrorKeyMatch")
    return pki.Authority("", key, "")


def _namespace(request: Object, issuer: Object) -> str:
    cluster = issuer["kind"] == "ClusterIssuer"
    return "cert-manager" if cluster else str(request["metadata"]["namespace"])
