"""What a certificate should say and who signs it → PEM. X.509 as cert-manager and Istio issue it; no I/O."""

from __future__ import annotations

import datetime
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_BACKDATED = datetime.timedelta(minutes=5)
_USAGES = (
    "digital signature",
    "content commitment",
    "key encipherment",
    "data encipherment",
    "key agreement",
    "cert sign",
    "crl sign",
    "encipher only",
    "decipher only",
)
_EXTENDED = {"server auth": ExtendedKeyUsageOID.SERVER_AUTH, "client auth": ExtendedKeyUsageOID.CLIENT_AUTH}


@dataclass(frozen=True)
class Request:
    """`seconds` is the duration; `usages` in cert-manager's words."""

    seconds: float
    common_name: str = ""
    dns_names: Sequence[str] = ()
    ip_addresses: Sequence[str] = ()
    uris: Sequence[str] = ()
    is_ca: bool = False
    usages: Sequence[str] = ("digital signature", "key encipherment")
    algorithm: str = "RSA"
    size: int = 0


@dataclass(frozen=True)
class Authority:
    """PEM: a CA's own certificate with the intermediates above it, its key, and the root that others trust."""

    chain: str
    key: str
    root: str


@dataclass(frozen=True)
class Issued:
    """PEM: the certificate followed by its issuers up to, not with, the root; its key; the root."""

    chain: str
    key: str
    root: str
    not_before: float
    not_after: float


def issue(request: Request, authority: Authority | None, now: float) -> Issued:
    """Signs with `authority`, or by itself where there is none."""
    key = _new_key(request)
    issuer_key: Any = key
    issuer_name = subject = _subject(request)
    if authority:
        issuer_key = serialization.load_pem_private_key(authority.key.encode(), None)
        issuer_name = x509.load_pem_x509_certificate(authority.chain.encode()).subject
    begin = datetime.datetime.fromtimestamp(int(now), datetime.UTC)
    end = begin + datetime.timedelta(seconds=request.seconds)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer_name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin - _BACKDATED)
        .not_valid_after(end)
    )
    for extension, critical in _extensions(request, key.public_key(), issuer_key.public_key()):
        builder = builder.add_extension(extension, critical)
    certificate = builder.sign(issuer_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()
    root = authority.root if authority else certificate
    above = "" if not authority or authority.chain == authority.root else authority.chain
    return Issued(certificate + above, _pem(key), root, begin.timestamp(), end.timestamp())


def describe(pem: str) -> x509.Certificate:
    """The first certificate of a chain."""
    return x509.load_pem_x509_certificate(pem.encode())


def expires(pem: str) -> float:
    return describe(pem).not_valid_after_utc.timestamp()


@lru_cache(maxsize=64)
def wrong_pair(chain: str, key: str) -> str:
    """Why a proxy would refuse this certificate with this key; "" where it would take them."""
    try:
        certificates = x509.load_pem_x509_certificates(chain.encode())
        private: Any = serialization.load_pem_private_key(key.encode(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        return f"holds no certificate or key in PEM: {error}"
    same = certificates[0].public_key() == private.public_key()
    return "" if same else "holds a key that is not the certificate's"


def _new_key(request: Request) -> Any:
    if request.algorithm == "ECDSA":
        return ec.generate_private_key(ec.SECP384R1() if request.size == 384 else ec.SECP256R1())
    return rsa.generate_private_key(public_exponent=65537, key_size=request.size or 2048)


def _subject(request: Request) -> x509.Name:
    if not request.common_name:
        return x509.Name([])
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, request.common_name)])


def _extensions(request: Request, own: Any, issuers: Any) -> list[tuple[x509.ExtensionType, bool]]:
    made: list[tuple[x509.ExtensionType, bool]] = [
        (x509.BasicConstraints(ca=request.is_ca, path_length=None), True),
        (x509.KeyUsage(*(usage in request.usages for usage in _USAGES)), True),
        (x509.SubjectKeyIdentifier.from_public_key(own), False),
        (x509.AuthorityKeyIdentifier.from_issuer_public_key(issuers), False),
    ]
    extended = [oid for usage, oid in _EXTENDED.items() if usage in request.usages]
    if extended:
        made.append((x509.ExtendedKeyUsage(extended), False))
    names: list[x509.GeneralName] = [x509.DNSName(name) for name in request.dns_names]
    names += [x509.IPAddress(ipaddress.ip_address(address)) for address in request.ip_addresses]
    names += [x509.UniformResourceIdentifier(uri) for uri in request.uris]
    if names:
        made.append((x509.SubjectAlternativeName(names), not request.common_name))
    return made


def _pem(key: Any) -> str:
    pem: bytes = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return pem.decode()
