"""A Certificate object and the Secret it has → what to ask for, whether the Secret will do, when to renew."""

from __future__ import annotations

import base64
import re
from typing import Any

from cryptography import x509

from ..objects.meta import Object
from . import pki

_DEFAULT = 90 * 86400.0
_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0}


def seconds(text: str) -> float:
    """A Go duration such as `2160h` or `1h30m`."""
    return sum(int(number) * _UNITS[unit] for number, unit in re.findall(r"(\d+)([hms])", text))


def request(certificate: Object) -> pki.Request:
    spec = certificate["spec"]
    key = spec.get("privateKey") or {}
    usages = tuple(spec.get("usages") or ("digital signature", "key encipherment"))
    return pki.Request(
        seconds=seconds(spec["duration"]) if "duration" in spec else _DEFAULT,
        common_name=spec.get("commonName", ""),
        dns_names=tuple(spec.get("dnsNames") or ()),
        ip_addresses=tuple(spec.get("ipAddresses") or ()),
        uris=tuple(spec.get("uris") or ()),
        is_ca=spec.get("isCA", False),
        usages=(*usages, "cert sign") if spec.get("isCA") else usages,
        algorithm=key.get("algorithm", "RSA"),
        size=key.get("size", 0),
    )


def renewal(certificate: Object, issued_at: float, expires_at: float) -> float:
    """renewBefore ahead of the end; a third of the lifetime where it is not given."""
    spec = certificate["spec"]
    before = seconds(spec["renewBefore"]) if "renewBefore" in spec else (expires_at - issued_at) / 3
    return float(int(expires_at - before))


def authority(secret: Object | None) -> pki.Authority | None:
    """The CA in a Secret of type kubernetes.io/tls; the root is its ca.crt."""
    data: dict[str, Any] = (secret or {}).get("data") or {}
    if "tls.crt" not in data or "tls.key" not in data:
        return None
    chain, key = (base64.b64decode(data[name]).decode() for name in ("tls.crt", "tls.key"))
    root = base64.b64decode(data["ca.crt"]).decode() if "ca.crt" in data else chain
    return pki.Authority(chain, key, root)


def mismatch(certificate: Object, secret: Object | None, issuer: pki.Authority | None) -> str:
    """Why the Secret does not hold what the Certificate asks for: cert-manager's reason, or ""."""
    data = (secret or {}).get("data") or {}
    if "tls.crt" not in data or "tls.key" not in data:
        return "DoesNotExist"
    wanted, held = request(certificate), pki.describe(base64.b64decode(data["tls.crt"]).decode())
    names = _names(held)
    if names != {*wanted.dns_names, *wanted.ip_addresses, *wanted.uris}:
        return "SecretMismatch"
    if issuer is not None and held.issuer != pki.describe(issuer.chain).subject:
        return "IncorrectIssuer"
    return ""


def _names(held: Any) -> set[str]:
    try:
        found = held.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return set()
    return {str(name.value) for name in found}
