"""A directory → what the API server proves itself and its users with: serving certificate, admin token, token key.

Everything is made once per home, is 0600, and is never printed. The serving CA is the API's own; the platform's CA,
which a learner's HTTPS requests are verified with, is a Certificate object like any other.
"""

from __future__ import annotations

import base64
import datetime
import ipaddress
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_YEARS = datetime.timedelta(days=3650)


@dataclass(frozen=True)
class Credentials:
    """`token_key` signs service account tokens; `admin_token` is the kubeconfig's; the rest is files for TLS.

    The client CA signs users' certificates, and nothing else trusts it."""

    certificate: Path
    key: Path
    client_ca: Path
    client_ca_key: Path
    ca_pem: str
    admin_token: str
    token_key: ec.EllipticCurvePrivateKey
    server: str

    @classmethod
    def open(cls, folder: Path, port: int) -> Credentials:
        """Reads the folder, or fills it the first time."""
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not (folder / "admin-token").exists() or not (folder / "client-ca.key").exists():
            _fill(folder)
        key = serialization.load_pem_private_key((folder / "service-accounts.key").read_bytes(), None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        return cls(
            folder / "apiserver.crt",
            folder / "apiserver.key",
            folder / "client-ca.crt",
            folder / "client-ca.key",
            (folder / "apiserver-ca.crt").read_text(),
            (folder / "admin-token").read_text(),
            key,
            f"https://127.0.0.1:{port}",
        )

    def sign_client(self, request: bytes, seconds: float) -> bytes:
        """A certificate request (PEM) → a client certificate of the client CA (PEM); raises ValueError for what is none.

        Nobody becomes `system:masters` this way: a certificate cannot be taken back.
        """
        wanted = x509.load_pem_x509_csr(request)
        groups = wanted.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
        if not wanted.is_signature_valid or any(group.value == "system:masters" for group in groups):
            raise ValueError("the request is not signed by its key, or asks for system:masters")
        key = serialization.load_pem_private_key(self.client_ca_key.read_bytes(), None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        now = datetime.datetime.now(datetime.UTC)
        made = (
            x509.CertificateBuilder()
            .subject_name(wanted.subject)
            .issuer_name(x509.load_pem_x509_certificate(self.client_ca.read_bytes()).subject)
            .public_key(wanted.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(minutes=5))
            .not_valid_after(now + datetime.timedelta(seconds=seconds))
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        )
        return made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    def write_kubeconfig(self, path: Path) -> None:
        write_private(path, self.kubeconfig(self.admin_token).encode())

    def kubeconfig(self, token: str, namespace: str = "default", ca_file: str = "") -> str:
        """A kubeconfig with one context, `iiab`. With `ca_file` it names the file, else it carries the CA."""
        ca = (
            {"certificate-authority": ca_file}
            if ca_file
            else {"certificate-authority-data": base64.b64encode(self.ca_pem.encode()).decode()}
        )
        return yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [{"name": "iiab", "cluster": {"server": self.server} | ca}],
                "users": [{"name": "iiab", "user": {"token": token}}],
                "contexts": [{"name": "iiab", "context": {"cluster": "iiab", "user": "iiab", "namespace": namespace}}],
                "current-context": "iiab",
            },
            sort_keys=False,
        )


def write_private(path: Path, content: bytes) -> None:
    """0600 from the first byte on, and whole or not at all."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
    temporary.replace(path)


def _fill(folder: Path) -> None:
    """The admin token comes last: a folder that has one is complete."""
    ca_key, ca = _certificate("iiab-apiserver-ca", None)
    key, certificate = _certificate("kubernetes", (ca_key, ca))
    client_key, client = _certificate("iiab-client-ca", None)
    write_private(folder / "client-ca.crt", client.public_bytes(serialization.Encoding.PEM))
    write_private(folder / "client-ca.key", _pem(client_key))
    write_private(folder / "apiserver-ca.crt", ca.public_bytes(serialization.Encoding.PEM))
    write_private(folder / "apiserver.crt", certificate.public_bytes(serialization.Encoding.PEM))
    write_private(folder / "apiserver.key", _pem(key))
    write_private(folder / "service-accounts.key", _pem(ec.generate_private_key(ec.SECP256R1())))
    write_private(folder / "admin-token", secrets.token_urlsafe(32).encode())


def _certificate(name: str, issuer: tuple[Any, x509.Certificate] | None) -> tuple[Any, x509.Certificate]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer[1].subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + _YEARS)
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    if issuer:
        issuer_id = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer[0].public_key())
        names: list[x509.GeneralName] = [x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        names += [x509.DNSName(name) for name in ("localhost", "kubernetes", "kubernetes.default.svc")]
        builder = builder.add_extension(issuer_id, critical=False)
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    else:
        usage = x509.KeyUsage(*(name in ("key_cert_sign", "crl_sign") for name in _USAGES))
        builder = builder.add_extension(usage, critical=True)
    return key, builder.sign(issuer[0] if issuer else key, hashes.SHA256())


_USAGES = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)


def _pem(key: Any) -> bytes:
    pem: bytes = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return pem
