"""What a certificate should say and who signs it → PEM. X.509 as cert-manager and Istio issue it; no I/O."""

from __future__ import annotations

import datetime
import ipaddress
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

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
_EXTENDED = {
    "any": ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,
    "server auth": ExtendedKeyUsageOID.SERVER_AUTH,
    "client auth": ExtendedKeyUsageOID.CLIENT_AUTH,
    "code signing": ExtendedKeyUsageOID.CODE_SIGNING,
    "email protection": ExtendedKeyUsageOID.EMAIL_PROTECTION,
    "timestamping": ExtendedKeyUsageOID.TIME_STAMPING,
    "ocsp signing": ExtendedKeyUsageOID.OCSP_SIGNING,
    "s/mime": ExtendedKeyUsageOID.EMAIL_PROTECTION,
    "ipsec end system": x509.ObjectIdentifier("1.3.6.1.5.5.7.3.5"),
    "ipsec tunnel": x509.ObjectIdentifier("1.3.6.1.5.5.7.3.6"),
    "ipsec user": x509.ObjectIdentifier("1.3.6.1.5.5.7.3.7"),
    "microsoft sgc": x509.ObjectIdentifier("1.3.6.1.4.1.311.10.3.3"),
    "netscape sgc": x509.ObjectIdentifier("2.16.840.1.113730.4.1"),
}
_CURVES: dict[int, type[ec.EllipticCurve]] = {
    0: ec.SECP256R1,
    256: ec.SECP256R1,
    384: ec.SECP384R1,
    521: ec.SECP521R1,
}


@dataclass(frozen=True)
class Request:
    """`seconds` is the duration; `usages` in cert-manager's words; `backdated`: seconds for clocks that are behind."""

    seconds: float
    common_name: str = ""
    dns_names: Sequence[str] = ()
    ip_addresses: Sequence[str] = ()
    uris: Sequence[str] = ()
    is_ca: bool = False
    usages: Sequence[str] = ("digital signature", "key encipherment")
    algorithm: str = "RSA"
    size: int = 0
    encoding: str = "PKCS8"
    backdated: float = 0


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
    """A new key, and its certificate by `authority`, or by itself where there is none."""
    key = new_key(request)
    return replace(sign(csr(request, key), request, authority or Authority("", key, ""), now), key=key)


def csr(request: Request, key: str) -> str:
    """What is asked for, signed with the key: a PEM certificate request."""
    private = private_key(key)
    builder = x509.CertificateSigningRequestBuilder().subject_name(_subject(request))
    if names := _names(request):
        builder = builder.add_extension(x509.SubjectAlternativeName(names), not request.common_name)
    return builder.sign(private, _digest(private)).public_bytes(serialization.Encoding.PEM).decode()


def sign(asked: str, request: Request, authority: Authority, now: float) -> Issued:
    """A PEM certificate request → a certificate of its subject, names and key; the rest is as `request` says.

    An authority without a chain signs itself. The key stays with who asked. Raises ValueError for what is no request.
    """
    wanted, issuer = x509.load_pem_x509_csr(asked.encode()), private_key(authority.key)
    begin = datetime.datetime.fromtimestamp(int(now), datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(wanted.subject)
        .issuer_name(describe(authority.chain).subject if authority.chain else wanted.subject)
        .public_key(wanted.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin - datetime.timedelta(seconds=request.backdated))
        .not_valid_after(begin + datetime.timedelta(seconds=request.seconds))
    )
    for extension, critical in _extensions(request, wanted, issuer.public_key()):
        builder = builder.add_extension(extension, critical)
    made = builder.sign(issuer, _digest(issuer))
    certificate = made.public_bytes(serialization.Encoding.PEM).decode()
    above = "" if authority.chain == authority.root else authority.chain
    begins, ends = made.not_valid_before_utc.timestamp(), made.not_valid_after_utc.timestamp()
    return Issued(certificate + above, "", authority.root or certificate, begins, ends)


def describe(pem: str) -> x509.Certificate:
    """The first certificate of a chain."""
    return x509.load_pem_x509_certificate(pem.encode())


def expires(pem: str) -> float:
    return describe(pem).not_valid_after_utc.timestamp()


def is_ca(pem: str) -> bool:
    """Whether the first certificate may sign others; False for what is none."""
    try:
        return bool(describe(pem).extensions.get_extension_for_class(x509.BasicConstraints).value.ca)
    except (ValueError, x509.ExtensionNotFound):
        return False


@lru_cache(maxsize=64)
def wrong_pair(chain: str, key: str) -> str:
    """Why a proxy would refuse this certificate with this key; "" where it would take them."""
    try:
        certificates = x509.load_pem_x509_certificates(chain.encode())
        private = private_key(key)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        return f"holds no certificate or key in PEM: {error}"
    same = certificates[0].public_key() == private.public_key()
    return "" if same else "holds a key that is not the certificate's"


def new_key(request: Request) -> str:
    """PEM, encoded as the request says."""
    if request.algorithm == "ECDSA":
        return pem(ec.generate_private_key(_CURVES[request.size]()), request.encoding)
    if request.algorithm == "Ed25519":
        return pem(ed25519.Ed25519PrivateKey.generate(), request.encoding)
    return pem(rsa.generate_private_key(public_exponent=65537, key_size=request.size or 2048), request.encoding)


def private_key(key: str) -> Any:
    return serialization.load_pem_private_key(key.encode(), None)


def pem(key: Any, encoding: str) -> str:
    """PKCS1 is what OpenSSL writes of old, for elliptic curves too; Ed25519 has but PKCS8."""
    traditional = encoding == "PKCS1" and not isinstance(key, ed25519.Ed25519PrivateKey)
    private = serialization.PrivateFormat
    shape = private.TraditionalOpenSSL if traditional else private.PKCS8
    made: bytes = key.private_bytes(serialization.Encoding.PEM, shape, serialization.NoEncryption())
    return made.decode()


def key_violations(request: Request, key: Any) -> list[str]:
    """Which of spec.privateKey's fields a key does not have, in cert-manager's words."""
    kinds: dict[str, Any] = {
        "RSA": rsa.RSAPrivateKey,
        "ECDSA": ec.EllipticCurvePrivateKey,
        "Ed25519": ed25519.Ed25519PrivateKey,
    }
    if not isinstance(key, kinds[request.algorithm]):
        return ["spec.privateKey.algorithm"]
    wanted = request.size or {"RSA": 2048, "ECDSA": 256}.get(request.algorithm, 0)
    return ["spec.privateKey.size"] if wanted and key.key_size != wanted else []


def _digest(key: Any) -> hashes.SHA256 | None:
    return None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()


def _subject(request: Request) -> x509.Name:
    if not request.common_name:
        return x509.Name([])
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, request.common_name)])


def _names(request: Request) -> list[x509.GeneralName]:
    names: list[x509.GeneralName] = [x509.DNSName(name) for name in request.dns_names]
    names += [x509.IPAddress(ipaddress.ip_address(address)) for address in request.ip_addresses]
    return names + [x509.UniformResourceIdentifier(uri) for uri in request.uris]


def _extensions(request: Request, wanted: x509.CertificateSigningRequest, issuers: Any) -> Iterator[tuple[Any, bool]]:
    usages = {*request.usages, *(("digital signature",) if "signing" in request.usages else ())}
    agrees = "key agreement" in usages  # the last two mean nothing without
    flags = (usage in usages and (agrees or "cipher only" not in usage) for usage in _USAGES)
    yield x509.BasicConstraints(ca=request.is_ca, path_length=None), True
    yield x509.KeyUsage(*flags), True
    yield x509.SubjectKeyIdentifier.from_public_key(wanted.public_key()), False
    yield x509.AuthorityKeyIdentifier.from_issuer_public_key(issuers), False
    if extended := [oid for usage, oid in _EXTENDED.items() if usage in usages]:
        yield x509.ExtendedKeyUsage(extended), False
    for extension in wanted.extensions:
        if isinstance(extension.value, x509.SubjectAlternativeName):
            yield extension.value, extension.critical
