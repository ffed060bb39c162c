"""The mesh's CA → a TLS context that shows any identity: what somebody could do who had a certificate of another workload."""

from __future__ import annotations

import ssl
import tempfile
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

INGRESS = "spiffe://cluster.local/ns/istio-system/sa/istio-ingressgateway"
EDGE = "spiffe://cluster.local/ns/envoy-gateway-system/sa/envoy-ai-inference-gateway"
ACTIVATOR = "spiffe://cluster.local/ns/knative-serving/sa/activator"
PROMETHEUS = "spiffe://cluster.local/ns/monitoring/sa/prometheus"
TENANT_B = "spiffe://cluster.local/ns/tenant-b/sa/default"
_HOURS = 1
_USAGES = [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]  # as workloads of the mesh have them


class Authority(NamedTuple):
    """PEM: the key that signs and the chain up to the root; `root` alone is what is trusted."""

    key: bytes
    chain: bytes
    root: bytes


def stranger() -> Authority:
    """A CA of nobody's, by the name of the mesh's."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Inference-in-a-Box Lab mesh")])
    made = _dated(x509.CertificateBuilder().subject_name(name).issuer_name(name), key.public_key())
    made = made.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    pem = made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    return Authority(_pem(key), pem, pem)


def context(authority: Authority, identity: str, trusted: bytes) -> ssl.SSLContext:
    """Shows a fresh certificate of this SPIFFE id by `authority`; no name of a server is checked, its CA is.

    `identity` "" shows none.
    """
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname = False
    made.load_verify_locations(cadata=trusted.decode())
    if identity:
        # OpenSSL reads a key from a file alone; this one, 0600, is gone again at once.
        with tempfile.NamedTemporaryFile(prefix="iiab-", suffix=".pem") as file:
            file.write(_issued(authority, identity))
            file.flush()
            made.load_cert_chain(file.name)
    return made


def _issued(authority: Authority, identity: str) -> bytes:
    """The certificate, its chain and its key, PEM."""
    issuer = x509.load_pem_x509_certificate(authority.chain)
    signing: Any = serialization.load_pem_private_key(authority.key, None)
    key = ec.generate_private_key(ec.SECP256R1())
    made = _dated(x509.CertificateBuilder().subject_name(x509.Name([])).issuer_name(issuer.subject), key.public_key())
    made = made.add_extension(x509.SubjectAlternativeName([x509.UniformResourceIdentifier(identity)]), critical=True)
    made = made.add_extension(x509.ExtendedKeyUsage(_USAGES), critical=False)
    leaf = made.sign(signing, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    return leaf + authority.chain + _pem(key)


def _dated(builder: x509.CertificateBuilder, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    builder = builder.public_key(key).serial_number(x509.random_serial_number())
    return builder.not_valid_before(now - timedelta(minutes=5)).not_valid_after(now + timedelta(hours=_HOURS))


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
