"""What is refused of a RequestAuthentication; above all, whom a jwksUri may not name."""

from __future__ import annotations

import json
from typing import Any

import pytest

from iiab_lab.engines.embedded.rules.istio import jwks, request_authentication

from ...envoy.guarded import jwks as good_keys

KEYS = good_keys()
KEY = json.loads(KEYS)["keys"][0]
INSIDE = "http://identity.identity.svc.cluster.local"


def problems(**rule: Any) -> list[str]:
    return request_authentication.problems({"spec": {"jwtRules": [rule]}})


@pytest.mark.parametrize(
    "uri",
    [
        "http://127.0.0.1/keys",
        "http://localhost:6443/",
        "http://[::1]/",
        "http://169.254.169.254/latest/meta-data",
        "http://2130706433/",
        "http://0/",
        "https://example.com/keys",
        "http://identity/",
        "http://identity.identity/",
        "http://identity.identity.svc.cluster.local.evil.com/",
        "http://evil.com#.identity.identity.svc.cluster.local",
        "http://evil.com/identity.identity.svc.cluster.local",
        "http://user:pass@identity.identity.svc.cluster.local/",
        "http://user@identity.identity.svc.cluster.local/",
        "http://identity.identity.svc.cluster.local:0/",
        "http://identity.identity.svc.cluster.local:99999/",
        "http://identity.identity.svc.cluster.local/a b",
        "https://identity.identity.svc.cluster.local/",
        "http:///keys",
        "http://",
        "//identity.identity.svc.cluster.local/keys",
    ],
)
def test_keys_are_asked_of_services_of_the_platform_alone(uri: str) -> None:
    assert problems(issuer="x", jwksUri=uri)


@pytest.mark.parametrize("scheme", ["file", "ftp", "gopher", "unix"])
def test_another_scheme_is_refused(scheme: str) -> None:
    assert problems(issuer="x", jwksUri=f"{scheme}://x/y") == [f'URI scheme "{scheme}" is not supported']


@pytest.mark.parametrize("path", ["", "/", "/keys.json", ":8080/a?b=c"])
def test_a_service_is_let_in(path: str) -> None:
    assert problems(issuer="x", jwksUri=INSIDE + path) == []


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ({"jwks": KEYS}, "issuer or jwksUri must be non-empty string"),
        ({"issuer": "https://x"}, "→ give jwks, or jwksUri of a Service of the platform"),
        ({"issuer": "x", "jwks": KEYS, "timeout": "0s"}, "must be a valid duration greater than 1ms"),
        ({"issuer": "x", "jwks": KEYS, "timeout": "soon"}, "must be a valid duration greater than 1ms"),
        ({"issuer": "x", "jwks": KEYS, "fromHeaders": [{"name": "a b"}]}, "header name a b is not a valid header name"),
        (
            {"issuer": "x", "jwks": KEYS, "outputPayloadToHeader": ":path"},
            "header name :path is not a valid header name",
        ),
        ({"issuer": "x\ny", "jwks": KEYS}, "control character"),
    ],
)
def test_it_is_refused_with_its_cure(rule: dict[str, Any], said: str) -> None:
    assert any(said in one for one in problems(**rule))


@pytest.mark.parametrize(
    ("keys", "good"),
    [
        ([KEY], True),
        ([{"kty": "RSA"}, KEY], True),
        ([KEY | {"kid": 1, "use": "enc", "d": 1}], True),
        ([{"kty": "oct", "k": "c2VjcmV0"}], True),
        ([], False),
        ([{"kty": "RSA"}], False),
        ([{"kty": "DSA", "x": "AA"}], False),
        ([KEY | {"alg": "ES256"}], False),
        ([KEY | {"n": "AQAB"}], False),
        ([KEY | {"n": KEY["n"] + "="}], False),
        ([KEY | {"e": "AA"}], False),
        ([{"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}], False),
        ([{"kty": "OKP", "crv": "X25519", "x": "AA"}], False),
        (KEY, False),
        ("x", False),
    ],
)
def test_a_key_set_needs_a_key_that_verifies(keys: Any, good: bool) -> None:
    assert (jwks.problem(json.dumps({"keys": keys})) == "") is good


@pytest.mark.parametrize("text", ["", "-----BEGIN", "[]", "1", "null", '{"keys": NaN}', "[" * 100_000, json.dumps(KEY)])
def test_what_is_no_key_set_is_refused(text: str) -> None:
    assert jwks.problem(text).startswith("jwks parse error: ")
