"""Requests through a real Envoy: Gateway API's extended features, each under the name of its published test.

Source: kubernetes-sigs/gateway-api, conformance/tests.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from iiab_lab.engines.embedded.objects.meta import Object

from ....exact import assert_split
from . import gateway
from .gateway import HTTP, PARENT, route, table, to, translate
from .test_http_route_traffic import REQUESTS, apply, check, match, rule
from .tier_1 import Tier1, certificate
from .tier_2 import running_lab


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tier1]:
    with running_lab(tmp_path_factory.mktemp("tier-1"), Tier1) as made:
        yield made


def changed(kind: str, **wanted: Any) -> Object:
    return {"type": kind, f"{kind[0].lower()}{kind[1:]}" if kind != "URLRewrite" else "urlRewrite": wanted}


def path_of(kind: str, value: str) -> Object:
    field = {"Full": "replaceFullPath", "Prefix": "replacePrefixMatch"}[kind]
    return {"path": {"type": f"R{field[1:]}", field: value}}


def redirect(prefix: str, /, **wanted: Any) -> Object:
    return {"matches": [match(prefix)], "filters": [changed("RequestRedirect", **wanted)]}


ORG = {"hostname": "example.org"}


@pytest.mark.parametrize(
    ("wanted", "status", "location"),
    [
        ({**path_of("Prefix", "/replacement-prefix")}, 302, "http://web.example.org/replacement-prefix/lemon"),
        ({**path_of("Full", "/full-path-replacement")}, 302, "http://web.example.org/full-path-replacement"),
        ({**ORG, **path_of("Prefix", "/replacement-prefix/")}, 302, "http://example.org/replacement-prefix/lemon"),
        ({**path_of("Prefix", "/new"), "statusCode": 301}, 301, "http://web.example.org/new/lemon"),
        ({**path_of("Prefix", "/")}, 302, "http://web.example.org/lemon"),
        ({"port": 8083}, 302, "http://web.example.org:8083/old/lemon"),
        ({**ORG, "port": 8083, "statusCode": 301}, 301, "http://example.org:8083/old/lemon"),
        ({"scheme": "https"}, 302, "https://web.example.org/old/lemon"),
        ({"scheme": "https", **ORG, "statusCode": 301}, 301, "https://example.org/old/lemon"),
        ({"scheme": "https", **ORG, "port": 443}, 302, "https://example.org/old/lemon"),
        ({"scheme": "https", **ORG, "port": 8443}, 302, "https://example.org:8443/old/lemon"),
        ({"scheme": "https", **ORG, "port": 80}, 302, "https://example.org:80/old/lemon"),
        ({**ORG, "port": 80}, 302, "http://example.org/old/lemon"),
        ({**ORG, "statusCode": 303}, 303, "http://example.org/old/lemon"),
        ({**ORG, "statusCode": 307}, 307, "http://example.org/old/lemon"),
        ({**ORG, "statusCode": 308}, 308, "http://example.org/old/lemon"),
    ],
)
def test_http_route_redirect(lab: Tier1, wanted: Object, status: int, location: str) -> None:
    apply(lab, route([redirect("/old", **wanted)]))
    response = lab.get("/old/lemon?x=1")
    assert (response.status, response.headers["location"]) == (status, location + "?x=1")


@pytest.mark.parametrize(
    ("listener", "wanted", "location"),
    [
        (8080, {}, "http://example.org:8080/old"),
        (8080, {"port": 80}, "http://example.org/old"),
        (8080, {"scheme": "https"}, "https://example.org/old"),
        (80, {"port": 8080}, "http://example.org:8080/old"),
    ],
)
def test_http_route_redirect_port_and_scheme(lab: Tier1, listener: int, wanted: Object, location: str) -> None:
    """What is not said is the listener's port, as the client knows it: not where it is bound on this machine."""
    apply(
        lab, gateway.gateway(HTTP, HTTP | {"name": "other", "port": 8080}), route([redirect("/old", **ORG, **wanted)])
    )
    response = lab.get("/old", port=lab.at(listener))
    assert response.headers["location"] == location


def test_http_route_redirect_from_https(lab: Tier1) -> None:
    https = HTTP | {"name": "https", "protocol": "HTTPS", "port": 443, "tls": {"certificateRefs": [{"name": "cert"}]}}
    rules = [redirect("/nil", **ORG), redirect("/8443", **ORG, port=8443), redirect("/http", **ORG, scheme="http")]
    apply(lab, gateway.gateway(https), certificate("cert"), route(rules))
    found = [lab.over_tls("web.example.org", path).headers["location"] for path in ("/nil", "/8443", "/http")]
    assert found == ["https://example.org/nil", "https://example.org:8443/8443", "http://example.org/http"]


@pytest.mark.parametrize(
    ("prefix", "wanted", "asked", "arrives"),
    [
        ("/prefix/one", path_of("Prefix", "/one"), "/prefix/one/two", "/one/two"),
        ("/strip-prefix", path_of("Prefix", "/"), "/strip-prefix/three?q=1", "/three?q=1"),
        ("/strip-prefix", path_of("Prefix", "/"), "/strip-prefix", "/"),
        ("/strip-prefix", path_of("Prefix", ""), "/strip-prefix/three", "/three"),
        ("/full/one", path_of("Full", "/one"), "/full/one/two?q=1", "/one?q=1"),
        # The table in the description of HTTPPathModifier.
        ("/foo", path_of("Prefix", "/xyz"), "/foo/bar", "/xyz/bar"),
        ("/foo", path_of("Prefix", "/xyz/"), "/foo/bar", "/xyz/bar"),
        ("/foo/", path_of("Prefix", "/xyz"), "/foo/bar", "/xyz/bar"),
        ("/foo/", path_of("Prefix", "/xyz/"), "/foo/bar", "/xyz/bar"),
        ("/foo", path_of("Prefix", "/xyz"), "/foo", "/xyz"),
        ("/foo", path_of("Prefix", "/xyz"), "/foo/", "/xyz/"),
        ("/foo", path_of("Prefix", ""), "/foo/", "/"),
        ("/foo", path_of("Prefix", ""), "/foo", "/"),
        ("/", path_of("Prefix", "/xyz"), "/bar", "/xyz/bar"),
        ("/a.b(c)", path_of("Prefix", "/"), "/a.b(c)/d", "/d"),
        ("/", path_of("Full", r"/\1\0"), "/bar", r"/\1\0"),
    ],
)
def test_http_route_rewrite_path(lab: Tier1, prefix: str, wanted: Object, asked: str, arrives: str) -> None:
    apply(lab, route([rule("v1", match(prefix), filters=[changed("URLRewrite", **wanted)])]))
    assert lab.body(lab.get(asked))["path"].replace("%5C", "\\") == arrives


def test_http_route_rewrite_host(lab: Tier1) -> None:
    one = rule("v1", match("/one"), filters=[changed("URLRewrite", hostname="one.example.org")])
    apply(lab, route([one, rule("v2", match("/"))]))
    assert [lab.body(lab.get(path))["host"] for path in ("/one", "/")] == ["one.example.org", "web.example.org"]


def test_http_route_query_param_matching(lab: Tier1) -> None:
    def by(*pairs: tuple[str, str]) -> Object:
        return {"queryParams": [{"name": name, "value": value} for name, value in pairs]}

    rules = [
        rule("v1", by(("animal", "whale"))),
        rule("v2", by(("animal", "dolphin"))),
        rule("v3", by(("animal", "dolphin"), ("color", "blue")), by(("ANIMAL", "Whale"))),
        rule("v1", {**match("/path1"), **by(("animal", "whale"))}),
        rule("v2", {**match("/path5"), **by(("animal", "hydra"))}, {**match("/path4", version="four"), **by(("animal", "hydra"))}),
    ]  # fmt: skip
    apply(lab, route(rules))
    check(
        lab,
        [
            ("/?animal=whale", {}, "v1"),
            ("/?animal=dolphin", {}, "v2"),
            ("/?animal=whale&otherparam=irrelevant", {}, "v1"),
            ("/?animal=dolphin&color=blue", {}, "v3"),
            ("/?ANIMAL=Whale", {}, "v3"),
            ("/?animal=whale&otherparam=irrelevant&color=blue", {}, "v1"),
            ("/?color=blue", {}, 404),
            ("/?animal=dog", {}, 404),
            ("/?animal=whaledolphin", {}, 404),
            ("/", {}, 404),
            ("/path1?animal=whale", {}, "v1"),
            ("/path5?animal=hydra", {}, "v2"),
            ("/path4?animal=hydra", {"version": "four"}, "v2"),
            ("/path4?animal=hydra", {}, 404),
        ],
    )


def test_http_route_method_matching(lab: Tier1) -> None:
    rules = [
        rule("v1", {"method": "POST"}),
        rule("v2", {"method": "GET"}),
        rule("v1", {**match("/path1"), "method": "GET"}),
        rule("v2", {"method": "PUT", **match(version="one")}),
        rule("v3", {**match("/path2", version="two"), "method": "POST"}),
        rule("v2", match("/path6", version="six")),
    ]
    apply(lab, route(rules))
    check(
        lab,
        [
            ("/", {"method": "POST"}, "v1"),
            ("/", {"method": "GET"}, "v2"),
            ("/", {"method": "HEAD"}, 404),
            ("/path1", {"method": "GET"}, "v1"),
            ("/", {"method": "PUT", "version": "one"}, "v2"),
            ("/path2", {"method": "POST", "version": "two"}, "v3"),
            ("/path2", {"method": "POST"}, "v1"),
            ("/path6", {"method": "PATCH", "version": "six"}, "v2"),
        ],
    )


def test_http_route_response_header_modifier(lab: Tier1) -> None:
    wanted = {
        "set": [{"name": "content-type", "value": "text/plain"}],
        "add": [{"name": "x-add", "value": "added"}, {"name": "X-Add", "value": "again"}],
        "remove": ["server"],
    }
    apply(lab, route([rule("v1", match("/"), filters=[changed("ResponseHeaderModifier", **wanted)])]))
    headers = lab.get().headers
    assert (headers["content-type"], headers.getall("x-add")) == ("text/plain", ["added"])


def test_http_route_request_header_modifier_backend_weights(lab: Tier1) -> None:
    """Each share its own changes; a header that the backend has to see tells which share it was."""

    def ref(name: str, weight: int) -> Object:
        own = {"set": [{"name": "backend", "value": name}]}
        filters = [changed("RequestHeaderModifier", **own), changed("ResponseHeaderModifier", **own)]
        return {**to("v1", weight=weight)[0], "filters": [*filters, changed("URLRewrite", hostname=f"{name}.local")]}

    apply(lab, route([{"backendRefs": [ref("a", 1), ref("b", 0), ref("c", 1)]}]))
    found = Counter()
    for response in (lab.get() for _ in range(100)):
        body = lab.body(response)
        heard = {name.lower(): value for name, value in body["headers"].items()}["backend"]
        assert (response.headers["backend"], body["host"]) == (heard, f"{heard}.local")
        found[heard] += 1
    assert_split([found["a"], found["c"]], [1, 1])


def mirror(name: str, **more: Any) -> Object:
    return changed("RequestMirror", backendRef=to(name)[0], **more)


def test_http_route_request_mirror(lab: Tier1) -> None:
    modifier = changed("RequestHeaderModifier", set=[{"name": "x-set", "value": "1"}])
    apply(lab, route([rule("v1", match("/"), filters=[modifier, mirror("v2")])]))
    assert lab.pod("/mirror?x=1") == "v1"
    lab.hears("v2", 1)
    (copy,) = lab.backends["v2"].seen
    assert (copy["path"], copy["host"]) == ("/mirror?x=1", "web.example.org") and lab.backends["v2"].values("x-set") == ["1"]  # fmt: skip


def test_http_route_request_multiple_mirrors(lab: Tier1) -> None:
    apply(lab, route([rule("v1", match("/"), filters=[mirror("v2"), mirror("v3")])]))
    assert lab.pod() == "v1"
    lab.hears("v2", 1)
    lab.hears("v3", 1)


@pytest.mark.parametrize(
    ("share", "expected"),
    [
        ({"percent": 20}, 20),
        ({"fraction": {"numerator": 1, "denominator": 3}}, 100 / 3),
        ({"percent": 0}, 0),
        ({}, 100),
    ],
)
def test_http_route_request_percentage_mirror(lab: Tier1, share: Object, expected: float) -> None:
    apply(lab, route([rule("v1", match("/"), filters=[mirror("v2", **share)]), rule("v2", match("/last"))]))
    lab.backend("v2")
    assert lab.counts(REQUESTS, "v1") == [REQUESTS]
    seen = lab.backends["v2"].seen
    if expected == 100:
        lab.hears("v2", REQUESTS)
    assert lab.pod("/last") == "v2"
    copies = sum(one["path"] == "/" for one in seen)
    assert_split([copies, REQUESTS - copies], [expected, 100 - expected])


def test_a_mirror_that_never_answers_fails_or_is_gone_is_nothing_to_the_client(lab: Tier1) -> None:
    filters = [mirror("v2"), mirror("v3"), mirror("nobody"), mirror("empty")]
    apply(lab, route([rule("v1", match("/"), filters=filters)]), *gateway.services("empty"))
    slow, _ = lab.backend("v2", held=True), lab.backend("v3", status=500)
    assert [response.status for response in (lab.get() for _ in range(20))] == [200] * 20
    lab.hears("v2", 20)
    slow.held = False


def test_http_route_timeout_request(lab: Tier1) -> None:
    rules = [
        rule("v1", match("/short"), timeouts={"request": "50ms"}),
        rule("v1", match("/backend"), timeouts={"backendRequest": "50ms", "request": "1m"}),
        rule("v1", match("/unlimited"), timeouts={"request": "0s", "backendRequest": "0s"}),
    ]
    apply(lab, route(rules))
    assert [lab.get(path).status for path in ("/short", "/backend", "/unlimited")] == [200, 200, 200]
    lab.backend("v1", held=True)
    began = time.monotonic()
    assert [lab.get(path).status for path in ("/short", "/backend")] == [504, 504]
    assert time.monotonic() - began >= 0.1
    lab.backend("v1")


def test_no_timeout_is_none_at_all() -> None:
    made = translate(*gateway.services("web"), route([{**rule("web"), "timeouts": {"request": "0s"}}]))
    action = table(made)["*"][0]["route"]
    assert (action["timeout"], action["idle_timeout"]) == ("0s", "0s")


def test_http_route_retry_with_timeouts() -> None:
    """Retries are a policy's; the time of a backend's request is that of each try."""
    policy = {
        "apiVersion": "gateway.envoyproxy.io/v1alpha1",
        "kind": "BackendTrafficPolicy",
        "metadata": {"name": "again", "namespace": "shop"},
        "spec": {
            "targetRefs": [{"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "name": "web"}],
            "retry": {"numRetries": 3},
        },
    }
    for timeouts, tried, total in (
        ({"backendRequest": "1s", "request": "5s"}, "1s", "5s"),
        ({"backendRequest": "1s"}, "1s", "0s"),
        ({"request": "5s"}, None, "5s"),
    ):
        made = translate(*gateway.services("web"), policy, route([{**rule("web"), "timeouts": timeouts}]))
        action = table(made)["*"][0]["route"]
        assert (action["retry_policy"].get("per_try_timeout"), action["timeout"]) == (tried, total)


def test_http_route_parent_ref_port(lab: Tier1) -> None:
    """HTTPRouteDestinationPortMatching: one host and path, told apart by the listener's port."""
    listeners = gateway.gateway(HTTP, HTTP | {"name": "other", "port": 8080})
    routes = [route([rule(f"v{place}")], f"r{place}", parentRefs=[PARENT | {"port": port}]) for place, port in ((1, 80), (2, 8080))]  # fmt: skip
    apply(lab, listeners, *routes)
    assert [lab.body(lab.get(port=lab.at(port)))["pod"] for port in (80, 8080)] == ["v1", "v2"]


def test_http_route_named_rule(lab: Tier1) -> None:
    apply(lab, route([rule("v1", match("/named"), name="named-rule"), rule("v2", match("/unnamed"))]))
    check(lab, [("/named", {}, "v1"), ("/unnamed", {}, "v2"), ("/", {}, 404)])


def test_http_route_backend_protocol_websocket(lab: Tier1) -> None:
    apply(lab, route([rule("v1", match("/ws"))]))
    assert lab.echoed("hello", "/ws") == "hello"


def test_http_route_backend_protocol_h2c() -> None:
    service, *rest = gateway.services("web")
    service["spec"]["ports"][0]["appProtocol"] = "kubernetes.io/h2c"
    (cluster,) = translate(service, *rest, route([rule("web")])).snapshot.clusters.values()
    (options,) = cluster["typed_extension_protocol_options"].values()
    assert options["explicit_http_config"] == {"http2_protocol_options": {}}


CORS = {
    "allowOrigins": ["https://www.foo.com", "https://*.bar.com"],
    "allowMethods": ["GET", "OPTIONS"],
    "allowHeaders": ["x-header-1", "x-header-2"],
    "exposeHeaders": ["x-header-3"],
    "allowCredentials": True,
    "maxAge": 3600,
}


@pytest.fixture
def across(lab: Tier1) -> Tier1:
    rules = [
        rule("v1", match("/cors-1"), filters=[{"type": "CORS", "cors": CORS}]),
        rule("v1", match("/any"), filters=[{"type": "CORS", "cors": {"allowOrigins": ["*"], "allowMethods": ["*"]}}]),
    ]
    apply(lab, route(rules))
    return lab


@pytest.mark.parametrize(
    ("path", "origin", "allowed"),
    [
        ("/cors-1", "https://www.foo.com", True),
        ("/cors-1", "https://www.bar.com", True),
        ("/cors-1", "https://xpto.www.bar.com", True),
        ("/cors-1", "https://wwwxbar.com", False),
        ("/cors-1", "https://www.bar.com.evil.org", False),
        ("/cors-1", "http://www.foo.com", False),
        ("/cors-1", "https://foobar.com", False),
        ("/any", "https://foobar.com:12345", True),
    ],
)
def test_http_route_cors(across: Tier1, path: str, origin: str, allowed: bool) -> None:
    asks = {"origin": origin, "access_control_request_method": "GET", "access_control_request_headers": "x-header-1"}
    preflight, simple = across.get(path, "OPTIONS", **asks), across.get(path, origin=origin)
    for response in (preflight, simple):
        assert response.headers.get("access-control-allow-origin") == (origin if allowed else None)
    if path == "/cors-1" and allowed:
        shown = {name: preflight.headers[f"access-control-{name}"] for name in ("allow-methods", "allow-headers", "max-age", "allow-credentials")}  # fmt: skip
        assert shown == {"allow-methods": "GET, OPTIONS", "allow-headers": "x-header-1, x-header-2", "max-age": "3600", "allow-credentials": "true"}  # fmt: skip
        assert simple.headers["access-control-expose-headers"] == "x-header-3"


def test_what_is_a_regular_expression_matches_the_whole(lab: Tier1) -> None:
    regex = {"type": "RegularExpression"}
    rules = [
        rule("v1", {"path": {**regex, "value": "/v[0-9]+/[^/]+"}}),
        rule("v2", {"headers": [{**regex, "name": "x-user", "value": "a.*"}]}),
        rule("v3", {"queryParams": [{**regex, "name": "q", "value": "[0-9]+"}]}),
    ]
    apply(lab, route(rules))
    check(lab, [("/v1/x", {}, "v1"), ("/v1/x/y", {}, 404), ("/", {"x_user": "ab"}, "v2"), ("/", {"x_user": "ba"}, 404), ("/?q=12", {}, "v3"), ("/?q=1a", {}, 404)])  # fmt: skip
