"""A ClientTrafficPolicy as it comes in → what the expressions (CEL) of its CustomResourceDefinition refuse, and where.

Source of the rules and their words: envoyproxy/gateway, charts/gateway-crds-helm, x-kubernetes-validations.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..objects.meta import Object
from .autoscaling.literals import duration

Found = Iterator[tuple[str, str]]
"""(field, message)"""

_GROUP = "gateway.networking.k8s.io"
_ORDER = ("Auto", "1.0", "1.1", "1.2", "1.3")
_VERIFYING = ("VerifyIfGiven", "RequireAndVerify")


def problems(obj: Object) -> list[tuple[str, str]]:
    spec = obj.get("spec") or {}
    found = [*_targets(spec), *_addresses(spec), *_connection(spec), *_tls(spec.get("tls") or {}), *_headers(spec)]
    return [(field, f'Invalid value: "object": {said}') for field, said in [*found, *_keepalive(spec)]]


def _targets(spec: Object) -> Found:
    targets = spec.get("targetRefs")
    if targets is None:
        yield "spec", "either targetRef or targetRefs must be used"
    if any(one["group"] != _GROUP for one in targets or ()):
        yield "spec", f"this policy can only have a targetRefs[*].group of {_GROUP}"
    if any(one["kind"] not in ("Gateway", "ListenerSet") for one in targets or ()):
        yield "spec", "this policy can only have a targetRefs[*].kind of Gateway or ListenerSet"


def _addresses(spec: Object) -> Found:
    wanted: Any = spec.get("clientIPDetection")
    if wanted is not None and len(wanted) != 1:
        said = "exactly one of xForwardedFor, customHeader, or directSourceIP must be set"
        yield "spec.clientIPDetection", said
    forwarded = (wanted or {}).get("xForwardedFor")
    if forwarded is not None and ("numTrustedHops" in forwarded) == ("trustedCIDRs" in forwarded):
        yield "spec.clientIPDetection.xForwardedFor", "only one of numTrustedHops or trustedCIDRs must be set"


def _connection(spec: Object) -> Found:
    limit = (spec.get("connection") or {}).get("connectionLimit") or {}
    if "closeDelay" in limit and "value" not in limit:
        yield "spec.connection.connectionLimit", "closeDelay can only be configured when value is set"


def _headers(spec: Object) -> Found:
    wanted = (spec.get("headers") or {}).get("xForwardedClientCert") or {}
    if wanted.get("certDetailsToAdd") and wanted.get("mode") not in ("AppendForward", "SanitizeSet"):
        said = "certDetailsToAdd can only be set when mode is AppendForward or SanitizeSet"
        yield "spec.headers.xForwardedClientCert", said


def _tls(wanted: Object) -> Found:
    least, most = wanted.get("minVersion"), wanted.get("maxVersion")
    if least == "1.3" and "ciphers" in wanted:
        yield "spec.tls", "setting ciphers has no effect if the minimum possible TLS version is 1.3"
    if most not in (None, "Auto") and _ORDER.index(least or "1.2") > _ORDER.index(most):
        yield "spec.tls", "minVersion must be smaller or equal to maxVersion"
    validation = wanted.get("clientValidation") or {}
    if validation.get("allowExpiredCertificate") and validation.get("mode", _VERIFYING[0]) not in _VERIFYING:
        said = "allowExpiredCertificate can only be set when mode is VerifyIfGiven or RequireAndVerify"
        yield "spec.tls.clientValidation", said


def _keepalive(spec: Object) -> Found:
    alive = (spec.get("http2") or {}).get("connectionKeepalive") or {}
    if {"timeout", "interval"} <= alive.keys() and duration(alive["timeout"]) >= duration(alive["interval"]):
        yield "spec.http2.connectionKeepalive", "timeout must be less than interval"
