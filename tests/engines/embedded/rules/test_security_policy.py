"""What goes together in a SecurityPolicy: right ones pass, and each wrong one is named by its field."""

from __future__ import annotations

from typing import Any

import pytest

from iiab_lab.engines.embedded.rules.security_policy import problems

LOCAL = {"localJWKS": {"type": "Inline", "inline": "{}"}}
SERVICE = {"backendRefs": [{"name": "web", "kind": "Service", "port": 80}]}
CLAIM = {"claimToHeaders": [{"claim": "sub", "header": "x-sub"}]}
JWT = {"providers": [{"name": "a", **LOCAL}]}
HERE = "http://keys.shop.svc.cluster.local"


def jwt(provider: Any = LOCAL, **more: Any) -> Any:
    return {"jwt": {"providers": [{"name": "a", **provider}], **more}}


def remote(uri: str, **more: Any) -> Any:
    return jwt({"remoteJWKS": {"uri": uri, **more}})


def rule(**rule: Any) -> Any:
    return {"jwt": JWT, "authorization": {"rules": [{"action": "Allow", **rule}]}}


@pytest.mark.parametrize(
    "spec",
    [
        {},
        jwt(),
        jwt(optional=True),
        jwt(failOpen=True),
        jwt({"localJWKS": {"type": "ValueRef", "valueRef": {}}}),
        jwt(LOCAL | CLAIM | {"recomputeRoute": True}),
        remote(f"{HERE}/x"),
        remote(f"{HERE}:8080/x"),
        remote("https://keys.example.com/x", **SERVICE),
        {"extAuth": {"http": SERVICE}},
        {"extAuth": {"grpc": SERVICE, "contextExtensions": [{"name": "a", "value": ""}]}},
        rule(cel="true"),
        rule(principal={"clientCIDRs": ["10.0.0.0/8"]}, operation={"path": {"value": "/"}}),
        rule(principal={"jwt": {"provider": "a", "scopes": ["x"]}}),
    ],
)
def test_what_goes_together_passes(spec: Any) -> None:
    assert problems({"spec": spec}) == []


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        (jwt(optional=True, failOpen=False), "spec.jwt"),
        (jwt({}), "spec.jwt.providers[0]"),
        (jwt({**LOCAL, "remoteJWKS": {"uri": f"{HERE}/x"}}), "spec.jwt.providers[0]"),
        (jwt(LOCAL | {"recomputeRoute": True}), "spec.jwt.providers[0]"),
        (jwt({"localJWKS": {"type": "Inline"}}), "spec.jwt.providers[0].localJWKS"),
        (jwt({"localJWKS": {"type": "Inline", "inline": "", "valueRef": {}}}), "spec.jwt.providers[0].localJWKS"),
        (jwt({"localJWKS": {"type": "ValueRef", "inline": ""}}), "spec.jwt.providers[0].localJWKS"),
        *(
            (remote(uri), "spec.jwt.providers[0].remoteJWKS.uri")
            for uri in (
                *("http://127.0.0.1:6443/x", "http://2130706433/x", "http://169.254.169.254/x", "file:///etc/passwd"),
                *("https://keys.example.com/x", HERE.replace("http", "https"), HERE.replace("//", "//me@"), "x"),
                *(f"{HERE}:0/x", f"{HERE}:99999/x", "http://[x"),
            )
        ),
        (remote("file:///etc", **SERVICE), "spec.jwt.providers[0].remoteJWKS.uri"),
        ({"extAuth": {}}, "spec.extAuth"),
        ({"extAuth": {"http": SERVICE, "grpc": SERVICE}}, "spec.extAuth"),
        ({"extAuth": {"http": {}}}, "spec.extAuth.http"),
        ({"extAuth": {"grpc": {"backendRefs": [{"name": "x"}]}}}, "spec.extAuth.grpc.backendRefs[0]"),
        ({"extAuth": {"http": {**SERVICE, "path": "/a", "pathOverride": "/b"}}}, "spec.extAuth.http"),
        (
            {"extAuth": {"http": SERVICE, "contextExtensions": [{"name": "a"}]}},
            "spec.extAuth.contextExtensions[0]",
        ),
        (rule(), "spec.authorization.rules[0]"),
        (rule(cel="true", operation={}), "spec.authorization.rules[0].operation"),
        (rule(principal={}), "spec.authorization.rules[0].principal"),
        (rule(principal={"jwt": {"provider": "a"}}), "spec.authorization.rules[0].principal.jwt"),
        ({"authorization": rule(principal={"jwt": {"provider": "a", "scopes": ["x"]}})["authorization"]}, "spec"),
    ],
)
def test_what_does_not_is_named(spec: Any, field: str) -> None:
    found = problems({"spec": spec})
    assert [where for where, _ in found] == [field] and found[0][1].startswith('Invalid value: "object": ')
