"""ClientTrafficPolicies and limits of bodies through a real Envoy: what a client may send, how long it may take, what it gets."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from iiab_lab.engines.embedded.objects.meta import Object
from iiab_lab.scenarios.security import wire

from ....golden.world import real
from . import gateway
from .gateway import HTTP, route, to
from .tier_1 import Tier1, certificate
from .tier_2 import running_lab

EG = "gateway.envoyproxy.io/v1alpha1"
TLS = {"name": "https", "protocol": "HTTPS", "port": 443, "allowedRoutes": {"namespaces": {"from": "All"}}}
TLS |= {"tls": {"certificateRefs": [{"name": "edge-tls"}]}}
BIG = 1 << 20


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tier1]:
    with running_lab(tmp_path_factory.mktemp("clients"), Tier1) as made:
        yield made


def policy(kind: str = "ClientTrafficPolicy", section: str = "", name: str = "clients", **spec: Any) -> Object:
    target = {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "edge"}
    target |= {"sectionName": section} if section else {}
    meta = {"name": name, "namespace": "gateways"}
    return {"apiVersion": EG, "kind": kind, "metadata": meta, "spec": {"targetRefs": [target], **spec}}


def limited(limit: str) -> Object:
    return policy("BackendTrafficPolicy", requestBuffer={"limit": limit})


def apply(lab: Tier1, *objects: Object, tls: bool = False) -> None:
    listeners = [gateway.gateway(HTTP, TLS), certificate("edge-tls")] if tls else []
    lab.backend("v1")
    web = route([{"backendRefs": to("v1")}])
    made = lab.apply(*lab.service("v1", "v1", namespace="shop"), web, *listeners, *objects)
    assert {one.conditions["Accepted"].reason for one in made.policies} <= {"Accepted"}, made.policies


def send(lab: Tier1, *headers: tuple[str, str], method: str = "GET", path: str = "/", body: bytes = b"", version: str = "HTTP/1.1") -> wire.Reply:  # fmt: skip
    data = wire.request(method, path, [("host", "web.example.org"), *headers], body, version)
    return wire.exchange(("127.0.0.1", lab.port), data)


def told(reply: wire.Reply) -> dict[str, str]:
    """The headers that reached the Pod, by their names in lower case."""
    assert reply.status == "200", reply
    return {name.lower(): value for name, value in json.loads(reply.body)["headers"].items()}


def test_without_a_policy_nothing_that_a_client_says_of_itself_is_believed(lab: Tier1) -> None:
    apply(lab)
    lies = [("x-request-id", "mine"), ("x-envoy-original-path", "/mine"), ("x-envoy-expected-rq-timeout-ms", "mine")]
    lies += [("x-forwarded-client-cert", "URI=mine"), ("x-envoy-upstream-rq-timeout-ms", "1")]
    assert "mine" not in str(told(send(lab, *lies)))
    assert send(lab, ("x_tenant", "a")).status == "400"
    assert send(lab, path="/a%2Fb").headers["location"] == "/a/b"


def test_answers_do_not_say_who_gave_them(lab: Tier1) -> None:
    apply(lab, policy(headers={"lateResponseHeaders": {"remove": ["server", "x-secret"], "set": [{"name": "x-frame-options", "value": "DENY"}]}}))  # fmt: skip
    assert not {"server", "x-envoy-upstream-service-time"} & send(lab).headers.keys()
    for reply in (send(lab), send(lab, path="/nowhere", method="POST")):
        assert reply.headers["x-frame-options"] == "DENY"
    apply(lab, policy(headers={"enableEnvoyHeaders": True}))
    assert "x-envoy-upstream-service-time" in send(lab).headers


def test_headers_are_changed_before_anything_looks_at_them(lab: Tier1) -> None:
    changes = {
        "remove": ["x-client-id"],
        "removeOnMatch": [{"type": "Prefix", "value": "x-jwt-"}],
        "add": [{"name": "x-seen", "value": "edge"}],
        "addIfAbsent": [{"name": "x-kind", "value": "absent"}],
        "set": [{"name": "x-zone", "value": "a"}],
    }
    apply(lab, policy(headers={"earlyRequestHeaders": changes}))
    sent = [("x-client-id", "me"), ("x-jwt-sub", "me"), ("x-kind", "given"), ("x-zone", "b"), ("x-seen", "me")]
    found = told(send(lab, *sent))
    assert not {"x-client-id", "x-jwt-sub"} & found.keys()
    assert (found["x-kind"], found["x-zone"]) == ("given", "a")
    assert lab.backends["v1"].values("x-seen") == ["me", "edge"]


SEEN = {"set": [{"name": "x-from", "value": "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%"}]}
CASES: dict[str, tuple[dict[str, Any], tuple[tuple[str, str], ...], Callable[[wire.Reply], Any], Any]] = {
    "underscores pass": ({"headers": {"withUnderscoresAction": "Allow"}}, (("x_a", "1"),), lambda r: told(r)["x_a"], "1"),
    "underscores go": ({"headers": {"withUnderscoresAction": "DropHeader"}}, (("x_a", "1"),), lambda r: "x_a" in told(r), False),
    "the id is kept": ({"headers": {"requestID": "PreserveOrGenerate"}}, (("x-request-id", "mine"),), lambda r: told(r)["x-request-id"], "mine"),
    "no id": ({"headers": {"requestID": "Disable"}}, (), lambda r: "x-request-id" in told(r), False),
    "hops are trusted": (
        {"clientIPDetection": {"xForwardedFor": {"numTrustedHops": 2}}, "headers": {"lateResponseHeaders": SEEN}},
        (("x-forwarded-for", "203.0.113.9, 10.0.0.1"),), lambda r: r.headers["x-from"], "203.0.113.9",
    ),
    "nobody's word is taken": (
        {"headers": {"lateResponseHeaders": SEEN}}, (("x-forwarded-for", "203.0.113.9"),), lambda r: r.headers["x-from"], "127.0.0.1",
    ),
    "ranges are trusted, and nothing is added": (
        {"clientIPDetection": {"xForwardedFor": {"trustedCIDRs": ["127.0.0.0/8"], "disableXForwardedForAppend": True}}},
        (("x-forwarded-for", "203.0.113.9"),), lambda r: told(r)["x-forwarded-for"], "203.0.113.9",
    ),
    "without the header nobody passes": (
        {"clientIPDetection": {"customHeader": {"name": "x-real", "failClosed": True}}}, (), lambda r: r.status, "403",
    ),
    "a health check": ({"healthCheck": {"path": "/"}}, (), lambda r: (r.status, r.body), ("200", "")),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_what_a_policy_says_of_headers_and_addresses(lab: Tier1, name: str) -> None:
    spec, sent, seen, expected = CASES[name]
    apply(lab, policy(**spec))
    assert seen(send(lab, *sent)) == expected


def test_paths_as_a_policy_wants_them(lab: Tier1) -> None:
    apply(lab, policy(path={"escapedSlashesAction": "RejectRequest", "disableMergeSlashes": True}))
    assert send(lab, path="/a%2Fb").status == "400"
    assert json.loads(send(lab, path="/a//b").body)["path"] == "/a//b"


def test_http_1_0_is_served_where_it_is_asked_for(lab: Tier1) -> None:
    apply(lab)
    assert send(lab, version="HTTP/1.0").status == "426"
    apply(lab, policy(http1={"http10": {}}))
    assert send(lab, version="HTTP/1.0").status == "200"


@pytest.mark.parametrize(
    ("timeout", "head"),
    [
        ("requestHeadersReceivedTimeout", b"POST / HTTP/1.1\r\nhost: x\r\nx-a: b\r\n"),
        ("requestReceivedTimeout", b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\nbegun"),
        ("streamIdleTimeout", b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\nbegun"),
    ],
)
def test_who_sends_too_slowly_is_cut_off(lab: Tier1, timeout: str, head: bytes) -> None:
    apply(lab, policy(timeout={"http": {timeout: "200ms"}}), limited("1Mi"))
    assert wire.exchange(("127.0.0.1", lab.port), head, patience=10).status == "408"


def test_one_connection_more_than_the_limit_is_closed(lab: Tier1) -> None:
    apply(lab, policy(connection={"connectionLimit": {"value": 2}}))
    with contextlib.ExitStack() as open_:
        for _ in range(2):
            link = open_.enter_context(contextlib.closing(wire.connect(("127.0.0.1", lab.port))))
            link.sendall(b"GET / HTTP/1.1\r\nhost: web.example.org\r\n\r\n")
            assert b"200" in link.recv(1024)
        assert send(lab).status == wire.CLOSED


def test_a_body_longer_than_the_limit_is_refused_whether_it_says_so_or_not(lab: Tier1) -> None:
    apply(lab, limited("1Mi"))
    seen = lab.backends["v1"].seen
    chunked = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in [b" " * 65536] * 17) + b"0\r\n\r\n"
    assert send(lab, ("content-length", str(4 << 30)), method="POST").status == "413"
    assert send(lab, ("content-length", str(BIG + 1)), method="POST", body=b" " * (BIG + 1)).status == "413"
    assert send(lab, ("transfer-encoding", "chunked"), method="POST", body=chunked).status == "413"
    assert seen == []
    assert send(lab, ("content-length", str(BIG)), method="POST", body=b" " * BIG).status == "200"


def test_a_host_with_one_route_that_takes_all_waits_for_the_bytes(lab: Tier1) -> None:
    unlimited = policy("BackendTrafficPolicy", name="free")
    unlimited["metadata"]["namespace"] = "shop"
    unlimited["spec"]["targetRefs"] = [{"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "name": "web"}]
    apply(lab, limited("1Mi"), unlimited)
    more = ("content-length", str(BIG + 1))
    assert send(lab, more, method="POST", body=b" " * (BIG + 1)).status == "200"


def test_what_is_buffered_is_not_upgraded(lab: Tier1) -> None:
    apply(lab, limited("1Mi"))
    asked = [
        ("connection", "upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "x"),
    ]
    assert send(lab, *asked).status == "403"


def handshake(lab: Tier1, context: ssl.SSLContext) -> str:
    """The version and the protocol agreed on, or what went wrong."""
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with socket.create_connection(("127.0.0.1", lab.at(443)), 5) as plain, context.wrap_socket(plain) as link:
            link.sendall(b"GET / HTTP/1.1\r\nhost: web.example.org\r\n\r\n")
            answered = link.recv(64).startswith(b"HTTP/1.1 200")
            return f"{link.version()} {link.selected_alpn_protocol()} {'answered' if answered else 'not answered'}"
    except OSError as error:
        return type(error).__name__


def tls(least: ssl.TLSVersion, most: ssl.TLSVersion, *protocols: str) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        made.minimum_version, made.maximum_version = least, most
    made.set_alpn_protocols(list(protocols))
    return made


V = ssl.TLSVersion


def test_tls_1_2_is_the_oldest_unless_a_policy_says_otherwise(lab: Tier1) -> None:
    apply(lab, tls=True)
    assert handshake(lab, tls(V.TLSv1, V.TLSv1_1)).startswith("SSL")
    assert handshake(lab, tls(V.TLSv1_2, V.TLSv1_2, "http/1.1")) == "TLSv1.2 http/1.1 answered"
    anything = {"minVersion": "1.0", "ciphers": ["ECDHE-RSA-AES128-SHA", "ECDHE-RSA-AES128-GCM-SHA256"]}
    apply(lab, policy(section="https", tls=anything), tls=True)
    assert handshake(lab, tls(V.TLSv1, V.TLSv1_1, "http/1.1")) == "TLSv1.1 http/1.1 answered"
    apply(lab, policy(section="https", tls={"minVersion": "1.3", "alpnProtocols": ["http/1.1"]}), tls=True)
    assert handshake(lab, tls(V.TLSv1_2, V.TLSv1_2)).startswith("SSL")
    assert handshake(lab, tls(V.TLSv1_3, V.TLSv1_3, "h2", "http/1.1")) == "TLSv1.3 http/1.1 answered"


def test_a_client_without_a_certificate_does_not_pass_where_one_is_asked_for(lab: Tier1) -> None:
    ca: Object = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "ca", "namespace": "gateways"}}
    ca["data"] = real({"ca.crt": "CA"})
    wanted = {"caCertificateRefs": [{"kind": "ConfigMap", "name": "ca"}]}
    apply(lab, policy(section="https", tls={"clientValidation": wanted}), ca, tls=True)
    assert "answered" not in handshake(lab, tls(V.TLSv1_2, V.TLSv1_3, "http/1.1"))
    optional = wanted | {"mode": "VerifyIfGiven"}
    apply(lab, policy(section="https", tls={"clientValidation": optional}), ca, tls=True)
    assert handshake(lab, tls(V.TLSv1_2, V.TLSv1_3, "http/1.1")) == "TLSv1.3 http/1.1 answered"
