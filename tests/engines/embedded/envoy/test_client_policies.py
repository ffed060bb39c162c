"""Which ClientTrafficPolicy speaks for which listener, and what each says of itself: Envoy Gateway's reasons and messages."""

from __future__ import annotations

from typing import Any

import pytest

from iiab_lab.engines.embedded.objects.meta import Object

from . import gateway
from .gateway import HTTP, route, services, to
from .tier_1 import certificate

LISTENERS = [
    HTTP,
    HTTP | {"name": "other", "port": 81},
    HTTP | {"name": "beside", "port": 81, "hostname": "beside.example"},
]
ACCEPTED = (True, "Accepted", "Policy has been accepted.")
ATTACHED = "another ClientTrafficPolicy has already attached to it"
Spec = dict[str, Any]


def named(name: str, age: int, *sections: str, of: str = "edge", namespace: str = "gateways", **spec: Any) -> Object:
    """The smaller its age, the older it is; without sections it is the whole Gateway's."""
    target = {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": of}
    targets = [target | ({"sectionName": section} if section else {}) for section in sections or ("",)]
    meta = {"name": name, "namespace": namespace, "creationTimestamp": f"2026-01-01T00:00:{age:02}Z"}
    spec = {"targetRefs": targets, **spec}
    return {
        "apiVersion": "gateway.envoyproxy.io/v1alpha1",
        "kind": "ClientTrafficPolicy",
        "metadata": meta,
        "spec": spec,
    }


def made(*policies: Object) -> gateway.Edge:
    web = route([{"backendRefs": to("v1")}])
    return gateway.translate(gateway.gateway(*LISTENERS), *services("v1"), web, *policies)


def said(*policies: Object) -> dict[str, tuple[bool, str, str]]:
    """name, or name#section → what Accepted says."""
    return {
        one.policy["metadata"]["name"] + (f"#{one.section}" if one.section else ""): tuple(one.conditions["Accepted"])
        for one in made(*policies).policies
    }  # type: ignore[return-value]


def manager(edge: gateway.Edge, listener: str) -> Any:
    (chain,) = edge.snapshot.listeners[f"gateways/edge/{listener}"]["filter_chains"]
    return chain["filters"][-1]["typed_config"]


def times(*policies: Object) -> dict[str, str]:
    """Which request timeout holds on the ports 80 and 81."""
    edge = made(*policies)
    return {name: manager(edge, name).get("request_timeout", "") for name in ("http", "other")}


def slow(seconds: int) -> Spec:
    return {"timeout": {"http": {"requestReceivedTimeout": f"{seconds}s"}}}


def test_a_listeners_policy_goes_before_the_gateways_and_nothing_is_merged() -> None:
    whole = named("whole", 1, **slow(1), headers={"withUnderscoresAction": "Allow"})
    one = named("one", 2, "http", **slow(2))
    assert times(whole, one) == {"http": "2s", "other": "1s"}
    edge = made(whole, one)
    assert manager(edge, "http")["common_http_protocol_options"]["headers_with_underscores_action"] == "REJECT_REQUEST"
    conditions = {spoken.policy["metadata"]["name"]: spoken.conditions for spoken in edge.policies}
    message = "There are existing ClientTrafficPolicies that are overriding these sections [http]"
    assert conditions["whole"]["Overridden"] == (True, "Overridden", message)
    assert conditions["whole"]["Accepted"].holds and "Overridden" not in conditions["one"]


def test_of_two_on_the_same_the_older_counts_and_the_other_is_conflicted() -> None:
    policies = [named("b-old", 1, **slow(1)), named("a-young", 2, **slow(2)), named("c", 3, "http", **slow(3)), named("d", 4, "http", **slow(4))]  # fmt: skip
    assert times(*policies) == {"http": "3s", "other": "1s"}
    assert said(*reversed(policies)) == {
        "b-old": ACCEPTED,
        "a-young": (False, "Conflicted", f"Unable to target Gateway edge, {ATTACHED}"),
        "c#http": ACCEPTED,
        "d#http": (False, "Conflicted", f"Unable to target section of edge, {ATTACHED}"),
    }


def test_a_section_that_there_is_not_is_not_found() -> None:
    wrong = (False, "TargetNotFound", "No section name nowhere found for Gateway gateways/edge")
    assert said(named("a", 1, "nowhere", "http")) == {"a#nowhere": wrong, "a#http": ACCEPTED}


def test_listeners_that_share_a_connection_manager_cannot_be_told_apart() -> None:
    message = "ClientTrafficPolicy is being applied to multiple http (non https) listeners (gateways/edge/beside) on the same port, which is not allowed."
    assert said(named("a", 1, "other", **slow(1))) == {"a#other": (False, "Invalid", message)}
    assert times(named("a", 1, "other", **slow(1))) == {"http": "", "other": ""}
    assert times(named("a", 1, **slow(1))) == {"http": "1s", "other": "1s"}


def test_policies_of_other_gateways_and_namespaces_are_nobodys() -> None:
    assert said(named("a", 1, of="second"), named("b", 1, namespace="shop")) == {}


WRONG: dict[str, tuple[Spec, str]] = {
    "buffer": ({"connection": {"bufferLimit": "8Gi"}}, "Connection: BufferLimit value 8Gi is out of range, must be between 0 and 4294967295."),
    "window": ({"http2": {"initialStreamWindowSize": 1024}}, "HTTP2: InitialStreamWindowSize value 1024 is out of range, must be between 65535 and 2147483647."),
    "value": ({"headers": {"lateResponseHeaders": {"set": [{"name": "x", "value": "a\nb"}]}}},
              'Headers: LateResponseHeaders cannot set a header with an invalid value. Header: "x".'),
    "variable": ({"headers": {"earlyRequestHeaders": {"add": [{"name": "x", "value": "100%"}]}}},
                 'Headers: EarlyRequestHeaders cannot add a header with an invalid value. Header: "x": a percent sign begins a variable; write %% for the sign itself.'),
    "nothing": ({"headers": {"lateResponseHeaders": {}}}, "Headers: LateResponseHeaders did not provide valid configuration to add/set/remove any headers."),
    "range": ({"clientIPDetection": {"xForwardedFor": {"trustedCIDRs": ["10.0.0.0/99"]}}}, "ClientIPDetection: trustedCIDRs: '10.0.0.0/99' does not appear to be an IPv4 or IPv6 network."),
    "both": ({"connection": {"bufferLimit": "8Gi"}, "headers": {"lateResponseHeaders": {}}},
             "Connection: BufferLimit value 8Gi is out of range, must be between 0 and 4294967295\nHeaders: LateResponseHeaders did not provide valid configuration to add/set/remove any headers."),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_a_policy_that_means_nothing_closes_the_routes_and_says_why(name: str) -> None:
    spec, message = WRONG[name]
    wrong = named("a", 1, "http", **spec)
    assert said(wrong) == {"a#http": (False, "Invalid", message)}
    edge = made(wrong)
    answers = {listener: next(iter(gateway.table(edge, listener).values()))[0] for listener in ("http", "other")}
    assert answers["http"]["direct_response"] == {"status": 500} and "route" in answers["other"]
    assert manager(edge, "http")["use_remote_address"] is True


TLS: dict[str, tuple[Spec, str]] = {
    "cipher": ({"ciphers": ["RC4-MD5"]}, "TLS: unsupported cipher suite: RC4-MD5; choose of AES128-GCM-SHA256,"),
    "curve": ({"ecdhCurves": ["secp111"]}, "TLS: unsupported ECDH curve: secp111; choose of P-256,"),
    "no CA": ({"clientValidation": {}}, 'TLS: tls.clientValidation.mode "RequireAndVerify" requires caCertificateRefs.'),
    "lost CA": ({"clientValidation": {"caCertificateRefs": [{"kind": "ConfigMap", "name": "ca"}]}},
                "TLS: failed to get certificate from ref: ConfigMap gateways/ca has no ca.crt."),
    "CA of others": ({"clientValidation": {"caCertificateRefs": [{"name": "ca", "namespace": "shop"}]}},
                     "TLS: failed to get certificate from ref: Certificate ref to Secret shop/ca not permitted by any ReferenceGrant."),
    "kind": ({"clientValidation": {"caCertificateRefs": [{"kind": "Lease", "name": "ca"}]}},
             "TLS: failed to get certificate from ref: unsupported ref kind:Lease; use Secret or ConfigMap."),
}  # fmt: skip


@pytest.mark.parametrize("name", TLS)
def test_what_is_wrong_about_tls_is_told_where_tls_is_spoken(name: str) -> None:
    spec, message = TLS[name]
    secured = HTTP | {
        "name": "https",
        "port": 443,
        "protocol": "HTTPS",
        "tls": {"certificateRefs": [{"name": "edge-tls"}]},
    }
    target = (
        gateway.gateway(HTTP, secured),
        certificate("edge-tls"),
        route([{"backendRefs": to("v1")}]),
        *services("v1"),
    )
    edge = gateway.translate(*target, named("a", 1, "https", tls=spec), named("b", 2, "http", tls=spec))
    found = {spoken.section: spoken.conditions["Accepted"] for spoken in edge.policies}
    assert found["http"].holds
    assert (found["https"].reason, found["https"].message.startswith(message)) == ("Invalid", True), found
