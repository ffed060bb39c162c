"""What is refused, and in which words: one case for each thing that can be wrong."""

from __future__ import annotations

from typing import Any

import pytest

from iiab_lab.engines.embedded.rules.istio import authorization_policy


def policy(*rules: Any, annotations: dict[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    meta = {"name": "web", "namespace": "shop", "annotations": annotations or {}}
    return {"metadata": meta, "spec": spec | ({"rules": list(rules)} if rules else {})}


def source(**fields: Any) -> dict[str, Any]:
    return {"from": [{"source": fields}]}


def operation(**fields: Any) -> dict[str, Any]:
    return {"to": [{"operation": fields}]}


def when(key: str, *values: str) -> dict[str, Any]:
    return {"when": [{"key": key, "values": list(values)}]}


TRIED = {"istio.io/dry-run": "maybe"}
MEANINGLESS = "action without `rules` is meaningless as it will never be triggered, add an empty rule"
REFUSED = [
    (policy(action="DENY"), f"DENY {MEANINGLESS}"),
    (policy(action="CUSTOM"), f"CUSTOM {MEANINGLESS}"),
    (policy({}, action="CUSTOM"), "`provider.name` must not be empty"),
    (policy({}, provider={"name": "x"}), "`provider` must not be with non CUSTOM action, found ALLOW"),
    (policy({"from": []}), "`from` must not be empty, found at rule 0"),
    (policy({}, {"to": []}), "`to` must not be empty, found at rule 1"),
    (policy({"from": [{}]}), "`from.source` must not be nil, found at rule 0"),
    (policy({"to": [{}]}), "`to.operation` must not be nil, found at rule 0"),
    (policy(source()), "`from.source` must not be empty, found at rule 0"),
    (policy(source(principals=[])), "`from.source` must not be empty, found at rule 0"),
    (policy(operation(notPaths=[])), "`to.operation` must not be empty, found at rule 0"),
    (policy(source(principals=[""])), "empty value not allowed, found in Principals"),
    (policy(operation(notHosts=["a", ""])), "empty value not allowed, found in NotHosts"),
    (policy(source(ipBlocks=["10.0.0.0/33"])), "bad CIDR range (10.0.0.0/33)"),
    (policy(source(ipBlocks=["10.0.0.0/255.0.0.0"])), "bad CIDR range (10.0.0.0/255.0.0.0)"),
    (policy(source(notRemoteIpBlocks=["localhost"])), "bad IP address (localhost)"),
    (policy(source(ipBlocks=["fe80::1%eth0"])), "bad IP address (fe80::1%eth0)"),
    (policy(operation(ports=["http"])), "bad port (http)"),
    (policy(operation(notPorts=["65536"])), "bad port (65536)"),
    (policy(operation(ports=["\uff18\uff10"])), "bad port"),
    (policy(source(serviceAccounts=["a*"])), "wildcard not allowed, found in ServiceAccounts"),
    (
        policy(source(serviceAccounts=["a/b/c"])),
        "expected format 'serviceAccount' or 'namespace/serviceAccount', found",
    ),
    (policy(source(notServiceAccounts=["/b"])), "found empty namespace"),
    (policy(source(serviceAccounts=["a/"])), "found empty serviceAccount"),
    (policy(source(trustDomains=["a*b"])), "wildcard is only allowed at the start or end, found in TrustDomains"),
    (policy(source(trustDomains=["*a*"])), "at most one wildcard is allowed, found in TrustDomains"),
    (policy(source(notTrustDomains=["a/b"])), "trust domain must not contain '/', found in NotTrustDomains"),
    (policy(operation(paths=["/{x}"])), "Contains '{' or '}' beyond a supported path template"),
    (policy(operation(paths=["/a{*}"])), "Contains '{' or '}' beyond a supported path template"),
    (policy(operation(paths=["/{**}/{*}"])), "{**} is not the last operator"),
    (policy(operation(notPaths=["/{*}/a*"])), "Contains segment a* with invalid string literal"),
    (policy(operation(paths=["{*}"])), "→ a template begins with one slash"),
    (policy(operation(paths=["//{*}"])), "→ a template begins with one slash"),
    (policy(operation(paths=["/{*}/" + "a" * 256])), "at most 256 characters"),
    (policy(operation(paths=["/" + "a" * 1024])), "→ shorten it"),
    (policy(operation(hosts=["a\nb"])), "control character, found in Hosts"),
    (policy({"when": [{"key": "", "values": ["a"]}]}), "`key` must not be empty"),
    (policy({"when": [{"key": "source.ip"}]}), "at least one of `values` or `notValues` must be set for key source.ip"),
    (policy(when("source.ip", "x")), "invalid `value` for `key` source.ip: bad IP address (x)"),
    (policy(when("destination.port", "x")), "bad port (x)"),
    (policy(when("source.serviceAccount", "*")), "wildcard not allowed"),
    (policy(when("request.headers", "x")), "bad key (request.headers): should have format a[b]"),
    (policy(when("request.headers[]", "x")), "bad key (request.headers[]): should have format a[b]"),
    (policy(when("request.headers[a b]", "x")), "is no name of a header"),
    (policy(when("request.auth.claims[a][]", "x")), "should have format a[b]"),
    (policy(when("request.headersX[a]", "x")), "unknown attribute: request.headersX[a]"),
    (policy(when("source.user", "x")), "unknown attribute: source.user"),
    (
        policy(when("destination.labels[app]", "x")),
        "attribute destination.labels[app] is replaced by the workload selector",
    ),
    (policy(when("destination.namespace", "x")), "is replaced by the metadata.namespace"),
    (policy(when("destination.name", "x")), "only supported in v1alpha1"),
    (policy(when("experimental.envoy.filters.a[b]", "x")), "→ use request.headers or request.auth.claims"),
    (
        policy(source(principals=["*"]), action="CUSTOM", provider={"name": "x"}),
        "From.Principals is currently not supported",
    ),
    (
        policy(when("request.auth.claims[a]", "x"), action="CUSTOM", provider={"name": "x"}),
        "is currently not supported",
    ),
    (policy({}, annotations=TRIED), "shop/web has annotation istio.io/dry-run with invalid value (maybe)"),
    (
        policy({}, action="AUDIT", annotations=TRIED),
        "currently only supports action ALLOW/DENY, found action AUDIT in shop/web",
    ),
]


@pytest.mark.parametrize(("obj", "said"), REFUSED, ids=lambda value: value if isinstance(value, str) else "")
def test_it_is_refused_in_istios_words(obj: dict[str, Any], said: str) -> None:
    found = authorization_policy.problems(obj)
    assert any(said in one for one in found), found


@pytest.mark.parametrize(
    "obj",
    [
        policy(),
        policy({}),
        policy({}, action="DENY"),
        policy({}, action="AUDIT"),
        policy(operation(ports=["80"]), action="CUSTOM", provider={"name": "opa"}),
        policy({}, annotations={"istio.io/dry-run": "true"}),
        policy(source(ipBlocks=["10.0.0.1", "10.0.0.1/8", "fd00::/8"])),
        policy(operation(paths=["/a/{*}/b", "/a/{**}", "/{**}/z/", "*", "/a*", "*.php", "no-slash"])),
        policy(when("request.auth.claims[a.b][https://x]", "x"), when("request.headers[:authority]", "x")),
    ],
    ids=range(9),
)
def test_what_is_well_formed_is_let_in(obj: dict[str, Any]) -> None:
    assert authorization_policy.problems(obj) == []
