"""A Certificate beside a CertificateRequest, or a certificate → the fields in which they differ, in cert-manager's names."""

from __future__ import annotations

from typing import Any

from cryptography import x509
from cryptography.x509.oid import NameOID

from ..objects.meta import Object
from . import certificates, pki


def mismatches(request: Object, certificate: Object) -> list[str]:
    """The fields of a Certificate that a CertificateRequest does not ask for. Raises ValueError where that holds no CSR."""
    asked = csr(request)
    wanted, made = certificates.request(certificate), request["spec"]
    return [
        *differing_names(names(asked), wanted),
        *(["spec.commonName"] if _common_name(asked) != wanted.common_name else []),
        *(["spec.isCA"] if made.get("isCA", False) != wanted.is_ca else []),
        *(["spec.usages"] if set(_usages(made)) != set(_usages(certificate["spec"])) else []),
        *(["spec.duration"] if _differ(made, certificate["spec"]) else []),
        *(["spec.issuerRef"] if certificates.issuer_of(made) != certificates.issuer_of(certificate["spec"]) else []),
    ]


def asks_otherwise(request: Object, certificate: Object, key: str) -> bool:
    """Whether a CertificateRequest is for something else, or for another key (PEM)."""
    try:
        asked = csr(request)
    except ValueError:
        return True
    return bool(mismatches(request, certificate)) or asked.public_key() != pki.private_key(key).public_key()


def csr(request: Object) -> x509.CertificateSigningRequest:
    return x509.load_pem_x509_csr(certificates.decoded(request["spec"]["request"]).encode())


def _usages(spec: Object) -> tuple[str, ...]:
    return tuple(spec.get("usages") or certificates.DEFAULT_USAGES)


def _differ(made: Object, wanted: Object) -> bool:
    given = [one["duration"] for one in (made, wanted) if "duration" in one]
    return len(given) == 2 and certificates.seconds(given[0]) != certificates.seconds(given[1])


def _common_name(held: Any) -> str:
    found = held.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(found[0].value) if found else ""


def names(held: Any) -> dict[type, set[str]]:
    """Of a certificate, or of a request: its alternative names by their kind."""
    found: dict[type, set[str]] = {}
    for extension in held.extensions:
        for name in extension.value if isinstance(extension.value, x509.SubjectAlternativeName) else ():
            found.setdefault(type(name), set()).add(str(name.value))
    return found


def differing_names(held: dict[type, set[str]], wanted: pki.Request) -> list[str]:
    return [
        field
        for field, kind, names in (
            ("spec.ipAddresses", x509.IPAddress, wanted.ip_addresses),
            ("spec.uris", x509.UniformResourceIdentifier, wanted.uris),
            ("spec.dnsNames", x509.DNSName, wanted.dns_names),
        )
        if held.get(kind, set()) != set(names)
    ]
