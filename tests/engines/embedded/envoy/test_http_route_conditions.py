"""What Gateway API's published tests ask of conditions, each under its published name, and what else a status can say.

Source: kubernetes-sigs/gateway-api, conformance/tests; the reasons beyond them are Envoy Gateway's.
"""

from __future__ import annotations

from typing import Any

import pytest

from iiab_lab.engines.embedded.objects.meta import Object
from iiab_lab.engines.embedded.rules import pki

from . import gateway, mesh
from .gateway import HTTP, PARENT, attached, grant, route, services, to, translate, verdicts
from .tier_1 import certificate

GOOD = {"Accepted": (True, "Accepted"), "ResolvedRefs": (True, "ResolvedRefs")}
WEB = [{"backendRefs": to("web")}]


def unresolved(reason: str) -> dict[str, tuple[bool, str]]:
    return {"Accepted": (True, "Accepted"), "ResolvedRefs": (False, reason)}


def refused(reason: str) -> dict[str, tuple[bool, str]]:
    return {"Accepted": (False, reason), "ResolvedRefs": (True, "ResolvedRefs")}


def test_http_route_simple_same_namespace() -> None:
    made = translate(
        gateway.gateway({"name": "http", "protocol": "HTTP", "port": 80}),
        *services("web", namespace="gateways"),
        route(WEB, namespace="gateways"),
    )
    assert verdicts(made) == GOOD
    assert attached(made).resolved.message == "Resolved all the Object references for the Route"


def test_http_route_cross_namespace() -> None:
    assert verdicts(translate(*services("web"), route(WEB))) == GOOD


def test_http_route_invalid_cross_namespace_parent_ref() -> None:
    made = translate(gateway.gateway({"name": "http", "protocol": "HTTP", "port": 80}), *services("web"), route(WEB))
    assert verdicts(made) == refused("NotAllowedByListeners")


def test_http_route_invalid_parent_ref_not_matching_section_name() -> None:
    made = translate(*services("web"), route(WEB, parentRefs=[PARENT | {"sectionName": "https"}]))
    assert verdicts(made) == refused("NoMatchingParent")
    assert attached(made).accepted.message == "No listeners match this parent ref"


def test_http_route_invalid_parent_ref_not_matching_listener_port() -> None:
    assert verdicts(translate(*services("web"), route(WEB, parentRefs=[PARENT | {"port": 81}]))) == refused(
        "NoMatchingParent"
    )


def test_http_route_invalid_parent_ref_section_name_not_matching_port() -> None:
    parent = PARENT | {"sectionName": "http", "port": 81}
    made = translate(
        gateway.gateway(HTTP, HTTP | {"name": "other", "port": 81}), *services("web"), route(WEB, parentRefs=[parent])
    )
    assert verdicts(made) == refused("NoMatchingParent")


def test_http_route_hostname_intersection_without_one() -> None:
    made = translate(
        gateway.gateway(HTTP | {"hostname": "very.specific.com"}),
        *services("web"),
        route(WEB, hostnames=["specific.but.wrong.com", "wildcard.io"]),
    )
    assert verdicts(made) == refused("NoMatchingListenerHostname")


def test_http_route_disallowed_kind() -> None:
    """A listener that takes no HTTPRoutes does not take this one."""
    only = HTTP | {"allowedRoutes": {"namespaces": {"from": "All"}, "kinds": [{"kind": "GRPCRoute"}]}}
    assert verdicts(translate(gateway.gateway(only), *services("web"), route(WEB))) == refused("NotAllowedByListeners")


@pytest.mark.parametrize(
    ("ref", "reason", "message"),
    [
        ({"kind": "NonExistent"}, "InvalidKind", "Kind is invalid, only Service is supported."),
        ({"group": "example.com"}, "InvalidKind", "is supported."),
        ({"name": "nobody"}, "BackendNotFound", "service shop/nobody not found."),
        (
            {"namespace": "other"},
            "RefNotPermitted",
            "Backend ref to Service other/web not permitted by any ReferenceGrant.",
        ),
        ({"port": 81}, "PortNotFound", "TCP Port 81 not found on Service shop/web."),
        (
            {
                "filters": [
                    {"type": "URLRewrite", "urlRewrite": {"path": {"type": "ReplaceFullPath", "replaceFullPath": "/"}}}
                ]
            },
            "UnsupportedRefValue",
            "URLRewrite path modifier is not supported within BackendRef.",
        ),
        (
            {"filters": [{"type": "RequestRedirect", "requestRedirect": {"hostname": "example.org"}}]},
            "UnsupportedRefValue",
            "are supported.",
        ),
    ],
    ids=[
        "test_http_route_invalid_backend_ref_unknown_kind",
        "unknown group",
        "test_http_route_invalid_non_existent_backend_ref",
        "test_http_route_invalid_cross_namespace_backend_ref",
        "no such port",
        "path of one backend",
        "redirect of one backend",
    ],
)
def test_references_that_lead_nowhere(ref: Object, reason: str, message: str) -> None:
    made = translate(*services("web"), *services("web", namespace="other"), route([{"backendRefs": to("web", **ref)}]))
    assert verdicts(made) == unresolved(reason)
    said = attached(made).resolved.message
    assert said.startswith("Failed to process route rule 0 backendRef 0: ") and said.endswith(message)


def granting(*grants: Object, ref: str = "web") -> Any:
    across = route([{"backendRefs": to(ref, namespace="other")}])
    return verdicts(translate(*services("web", "wrong", namespace="other"), across, *grants))


def test_http_route_reference_grant() -> None:
    assert granting(grant()) == granting(grant("web")) == GOOD
    assert granting() == unresolved("RefNotPermitted")


@pytest.mark.parametrize(
    "wrong",
    [
        grant("wrong"),
        grant(namespace="shop"),
        grant(from_kind="Gateway"),
        grant(from_group="example.com"),
        grant(from_namespace="other"),
        grant(to_kind="Secret"),
    ],
)
def test_http_route_invalid_reference_grant(wrong: Object) -> None:
    assert granting(wrong) == unresolved("RefNotPermitted")


def test_http_route_partially_invalid_via_invalid_reference_grant() -> None:
    both = route([{"backendRefs": to("web", namespace="other")}, *WEB])
    made = translate(*services("web"), *services("web", namespace="other"), both, grant("wrong"))
    assert verdicts(made) == unresolved("RefNotPermitted")


def test_several_reasons_are_all_told() -> None:
    made = translate(route([{"backendRefs": [*to("nobody"), *to("web", namespace="other")]}]))
    assert verdicts(made) == unresolved("BackendNotFound,RefNotPermitted")
    assert len(attached(made).resolved.message.splitlines()) == 2


def header(**item: str) -> Object:
    return {"type": "RequestHeaderModifier", "requestHeaderModifier": {"set": [item]}}


MIRROR = {"type": "RequestMirror", "requestMirror": {"backendRef": {"name": "web", "port": 80}}}
REDIRECT = {"type": "RequestRedirect", "requestRedirect": {"hostname": "example.org"}}
WRONG_RULES = [
    ({"matches": [{"path": {"type": "RegularExpression", "value": "/a["}}]}, "UnsupportedValue", 'regex "/a[" is invalid'),
    ({"matches": [{"path": {"type": "RegularExpression", "value": ""}}]}, "UnsupportedValue", "must not be empty"),
    ({"matches": [{"headers": [{"type": "RegularExpression", "name": "x", "value": "("}]}]}, "UnsupportedValue", "regex"),
    ({"matches": [{"queryParams": [{"type": "RegularExpression", "name": "x", "value": "*"}]}]}, "UnsupportedValue", "regex"),
    ({"filters": [header(name="Host", value="x")]}, "UnsupportedValue", "use the URLRewrite filter"),
    ({"filters": [header(name="x", value="a\nb")]}, "UnsupportedValue", "invalid value"),
    ({"filters": [header(name="x", value="100%")]}, "UnsupportedValue", "write %% for the sign itself"),
    ({"filters": [{"type": "RequestRedirect", "requestRedirect": {"hostname": "10.0.0.1"}}]}, "UnsupportedValue", "cannot be an ip"),
    ({"filters": [MIRROR, REDIRECT]}, "IncompatibleFilters", "RequestMirror filter cannot be used"),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "reason", "said"), WRONG_RULES)
def test_a_rule_that_cannot_be_served(rule: Object, reason: str, said: str) -> None:
    made = translate(*services("web"), route([rule]))
    assert verdicts(made)["Accepted"] == (False, reason)
    assert attached(made).accepted.message.startswith("Failed to process route rule 0: ")
    assert said in attached(made).accepted.message
    assert gateway.table(made) == {}


@pytest.mark.parametrize(("rule", "reason", "said"), WRONG_RULES)
def test_a_wrong_rule_among_right_ones(rule: Object, reason: str, said: str) -> None:
    """Accepted, as one rule is right. Those with a wrong match are gone; those with a wrong filter answer 500."""
    made = translate(*services("web"), route([*WEB, rule]))
    assert verdicts(made) == {**GOOD, "PartiallyInvalid": (True, reason)}
    partly = attached(made).partly
    assert partly and partly.message.startswith("Dropped Rule(s) [1]: ") and said in partly.message
    actions = [one.get("direct_response") for one in gateway.table(made)["*"]]
    assert sorted(map(str, actions)) == (["None"] if "matches" in rule else ["None", "{'status': 500}"])


def listening(*listeners: Object, **objects: Any) -> Any:
    made = translate(gateway.gateway(*listeners), *objects.get("more", ()))
    return {
        name: {kind: (verdict.holds, verdict.reason) for kind, verdict in one.conditions.items()}
        for name, one in made.listeners.items()
    }


SERVES = {"Accepted": (True, "Accepted"), "ResolvedRefs": (True, "ResolvedRefs")}


def https(name: str = "https", port: int = 443, ref: Any = None, **more: Any) -> Object:
    refs = [ref or {"name": "cert"}]
    return {"name": name, "protocol": "HTTPS", "port": port, "tls": {"certificateRefs": refs}, **more}


def uncertified(reason: str) -> Any:
    return {"Accepted": (True, "Accepted"), "Programmed": (False, "Invalid"), "ResolvedRefs": (False, reason)}


def secret_grant(name: str, to_kind: str = "Secret") -> Object:
    return grant(name, "vault", to_kind, from_kind="Gateway", from_namespace="gateways")


def test_gateway_certificates() -> None:
    assert listening(https(), more=[certificate("cert")])["https"] == SERVES
    assert listening(https())["https"] == uncertified("InvalidCertificateRef")
    assert listening(https(ref={"name": "cert", "kind": "ConfigMap"}))["https"] == uncertified("InvalidCertificateRef")


def test_gateway_certificates_that_are_none() -> None:
    other_key = pki.issue(pki.Request(3600, common_name="x", algorithm="ECDSA"), None, 1.8e9).key
    for wrong in ({"tls.crt": "no certificate"}, {"tls.key": "no key"}, {"tls.key": other_key}, {"tls.key": ""}):
        secret = certificate("cert")
        secret["stringData"] |= wrong
        assert listening(https(), more=[secret])["https"] == uncertified("InvalidCertificateRef")


def test_gateway_secret_reference_grant() -> None:
    across, secret = https(ref={"name": "cert", "namespace": "vault"}), certificate("cert", "vault")
    assert listening(across, more=[secret, secret_grant("cert")])["https"] == SERVES
    for grants in ([], [secret_grant("other")], [secret_grant("cert", "Service")]):
        assert listening(across, more=[secret, *grants])["https"] == uncertified("RefNotPermitted")


def test_one_good_certificate_of_two_is_enough() -> None:
    both = https() | {"tls": {"certificateRefs": [{"name": "cert"}, {"name": "none"}]}}
    expected = {"Accepted": (True, "Accepted"), "ResolvedRefs": (False, "PartiallyInvalidCertificateRef")}
    assert listening(both, more=[certificate("cert")])["https"] == expected


def kinds(*named: Object) -> Object:
    return HTTP | {"allowedRoutes": {"kinds": list(named)}}


@pytest.mark.parametrize(
    ("listener", "supported", "serves"),
    [
        (HTTP, ["HTTPRoute"], True),
        (kinds({"kind": "HTTPRoute"}), ["HTTPRoute"], True),
        (kinds({"kind": "HTTPRoute"}, {"kind": "InvalidRoute"}), ["HTTPRoute"], False),
        (kinds({"kind": "InvalidRoute"}), [], False),
        (kinds({"kind": "HTTPRoute", "group": "example.com"}), [], False),
    ],
)
def test_gateway_invalid_route_kind(listener: Object, supported: list[str], serves: bool) -> None:
    judged = translate(gateway.gateway(listener)).listeners["http"]
    assert [kind["kind"] for kind in judged.kinds] == supported
    assert judged.serves == serves
    if not serves:
        assert judged.conditions["ResolvedRefs"][:2] == (False, "InvalidRouteKinds")


def test_listeners_of_two_protocols_on_one_port_conflict_and_others_serve() -> None:
    conflict = {
        "Accepted": (False, "ProtocolConflict"),
        "Programmed": (False, "Invalid"),
        "ResolvedRefs": (True, "ResolvedRefs"),
        "Conflicted": (True, "ProtocolConflict"),
    }
    found = listening(HTTP, https(port=80), HTTP | {"name": "fine", "port": 81}, more=[certificate("cert")])
    assert found == {"http": conflict, "https": conflict, "fine": SERVES}


def test_listeners_of_one_host_on_one_port_conflict() -> None:
    found = listening(HTTP, HTTP | {"name": "again"}, HTTP | {"name": "fine", "hostname": "a.example"})
    assert found["http"]["Conflicted"] == found["again"]["Conflicted"] == (True, "HostnameConflict")
    assert found["fine"] == SERVES


def test_a_selector_that_is_missing_lets_nobody_in() -> None:
    listener = HTTP | {"allowedRoutes": {"namespaces": {"from": "Selector"}}}
    made = translate(gateway.gateway(listener), *services("web"), mesh.namespace("shop"), route(WEB))
    assert not made.listeners["http"].serves
    assert verdicts(made) == refused("NotAllowedByListeners")
