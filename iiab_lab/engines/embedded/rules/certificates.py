"""A Certificate object → what to ask for, when to renew; a CertificateRequest or a Secret → what it holds."""

from __future__ import annotations

import base64
import re
from typing import Any

from ..objects.meta import Object, annotations_of
from . import pki

DEFAULT_SECONDS = 90 * 86400.0
DEFAULT_USAGES = ("digital signature", "key encipherment")
_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0}

NAME = "cert-manager.io/certificate-name"
REVISION = "cert-manager.io/certificate-revision"
PRIVATE_KEY = "cert-manager.io/private-key-secret-name"
NEXT_KEY = "cert-manager.io/next-private-key"
ISSUER = tuple(f"cert-manager.io/issuer-{part}" for part in ("name", "kind", "group"))
MANAGED = {"controller.cert-manager.io/fao": "true"}  # the label of every Secret that cert-manager writes


def seconds(text: str) -> float:
    """A Go duration such as `2160h` or `1h30m`."""
    return sum(int(number) * _UNITS[unit] for number, unit in re.findall(r"(\d+)([hms])", text))


def request(certificate: Object) -> pki.Request:
    """Of a Certificate, or of the part of it that a CertificateRequest repeats."""
    spec = certificate["spec"]
    key = spec.get("privateKey") or {}
    usages = tuple(spec.get("usages") or DEFAULT_USAGES)
    return pki.Request(
        seconds=seconds(spec["duration"]) if "duration" in spec else DEFAULT_SECONDS,
        common_name=spec.get("commonName", ""),
        dns_names=tuple(spec.get("dnsNames") or ()),
        ip_addresses=tuple(spec.get("ipAddresses") or ()),
        uris=tuple(spec.get("uris") or ()),
        is_ca=spec.get("isCA", False),
        usages=(*usages, "cert sign") if spec.get("isCA") else usages,
        algorithm=key.get("algorithm", "RSA"),
        size=key.get("size", 0),
        encoding=key.get("encoding", "PKCS1"),
    )


def renewal(certificate: Object, not_before: float, not_after: float) -> float:
    """renewBefore, or so many percent of its life, ahead of the end; a third of it where neither is given, or fits."""
    spec, life = certificate["spec"], not_after - not_before
    before, percent = seconds(spec.get("renewBefore", "")), spec.get("renewBeforePercentage", 0)
    if 0 < before < life:
        return float(int(not_after - before))
    if 0 < percent < 100:
        return float(int(not_after - life * percent / 100))
    return float(int(not_after - life / 3))


def issuer_of(spec: Object) -> tuple[str, str, str]:
    """(kind, name, group), with cert-manager's defaults."""
    reference = spec["issuerRef"]
    return reference.get("kind") or "Issuer", reference["name"], reference.get("group") or "cert-manager.io"


def text(secret: Object | None, field: str) -> str:
    """An entry of a Secret, or of a CertificateRequest's spec or status, decoded; "" where it has none."""
    held = ((secret or {}).get("data") or {}).get(field, "")
    return base64.b64decode(held).decode(errors="replace")


def authority(secret: Object | None) -> pki.Authority | None:
    """The CA in a Secret of type kubernetes.io/tls; the root is its ca.crt."""
    chain, key = text(secret, "tls.crt"), text(secret, "tls.key")
    return pki.Authority(chain, key, text(secret, "ca.crt") or chain) if chain and key else None


def revision(request: Object) -> int:
    """Of a CertificateRequest that a Certificate made; 0 for one without."""
    said = annotations_of(request).get(REVISION, "")
    return int(said) if said.isdecimal() else 0


def encoded(value: str) -> str:
    return base64.b64encode(value.encode()).decode()


def decoded(value: Any) -> str:
    return base64.b64decode(value or "").decode(errors="replace")
