"""What goes together in a ClientTrafficPolicy: right ones pass, and each wrong one is named by its field."""

from __future__ import annotations

from typing import Any

import pytest

from iiab_lab.engines.embedded.rules.client_traffic_policy import problems

TARGET = {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "edge"}


def of(**spec: Any) -> list[tuple[str, str]]:
    return problems({"spec": {"targetRefs": [TARGET], **spec}})


RIGHT: list[dict[str, Any]] = [
    {},
    {"clientIPDetection": {"xForwardedFor": {"numTrustedHops": 1}}},
    {"clientIPDetection": {"directSourceIP": {}}},
    {"connection": {"connectionLimit": {"value": 1, "closeDelay": "1s"}}},
    {"headers": {"xForwardedClientCert": {"mode": "SanitizeSet", "certDetailsToAdd": ["URI"]}}},
    {"tls": {"minVersion": "1.2", "maxVersion": "1.2", "ciphers": ["AES128-SHA"]}},
    {"tls": {"maxVersion": "Auto", "minVersion": "1.3"}},
    {"tls": {"clientValidation": {"mode": "VerifyIfGiven", "allowExpiredCertificate": True}}},
    {"http2": {"connectionKeepalive": {"interval": "10s", "timeout": "9s"}}},
]


@pytest.mark.parametrize("spec", RIGHT, ids=str)
def test_what_goes_together_passes(spec: dict[str, Any]) -> None:
    assert of(**spec) == []


WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"targetRefs": [TARGET | {"kind": "HTTPRoute"}]}, "spec", "this policy can only have a targetRefs[*].kind of Gateway or ListenerSet"),
    ({"targetRefs": [TARGET | {"group": ""}]}, "spec", "this policy can only have a targetRefs[*].group of gateway.networking.k8s.io"),
    ({"clientIPDetection": {}}, "spec.clientIPDetection", "exactly one of xForwardedFor, customHeader, or directSourceIP must be set"),
    ({"clientIPDetection": {"customHeader": {"name": "x"}, "directSourceIP": {}}}, "spec.clientIPDetection",
     "exactly one of xForwardedFor, customHeader, or directSourceIP must be set"),
    ({"clientIPDetection": {"xForwardedFor": {}}}, "spec.clientIPDetection.xForwardedFor", "only one of numTrustedHops or trustedCIDRs must be set"),
    ({"clientIPDetection": {"xForwardedFor": {"numTrustedHops": 1, "trustedCIDRs": ["::/0"]}}}, "spec.clientIPDetection.xForwardedFor",
     "only one of numTrustedHops or trustedCIDRs must be set"),
    ({"connection": {"connectionLimit": {"closeDelay": "1s"}}}, "spec.connection.connectionLimit", "closeDelay can only be configured when value is set"),
    ({"headers": {"xForwardedClientCert": {"certDetailsToAdd": ["URI"]}}}, "spec.headers.xForwardedClientCert",
     "certDetailsToAdd can only be set when mode is AppendForward or SanitizeSet"),
    ({"tls": {"minVersion": "1.3", "ciphers": ["AES128-SHA"]}}, "spec.tls", "setting ciphers has no effect if the minimum possible TLS version is 1.3"),
    ({"tls": {"minVersion": "1.3", "maxVersion": "1.2"}}, "spec.tls", "minVersion must be smaller or equal to maxVersion"),
    ({"tls": {"maxVersion": "1.1"}}, "spec.tls", "minVersion must be smaller or equal to maxVersion"),
    ({"tls": {"clientValidation": {"mode": "Request", "allowExpiredCertificate": True}}}, "spec.tls.clientValidation",
     "allowExpiredCertificate can only be set when mode is VerifyIfGiven or RequireAndVerify"),
    ({"http2": {"connectionKeepalive": {"interval": "10s", "timeout": "10s"}}}, "spec.http2.connectionKeepalive", "timeout must be less than interval"),
]  # fmt: skip


@pytest.mark.parametrize(("spec", "field", "said"), WRONG, ids=lambda case: str(case)[:40])
def test_what_does_not_go_together_is_named(spec: dict[str, Any], field: str, said: str) -> None:
    assert of(**spec) == [(field, f'Invalid value: "object": {said}')]


def test_a_policy_says_what_it_is_for() -> None:
    assert problems({"spec": {}}) == [("spec", 'Invalid value: "object": either targetRef or targetRefs must be used')]
