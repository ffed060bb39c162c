"""Requests through a real Envoy: Gateway API's published core tests, each under its published name.

Source: kubernetes-sigs/gateway-api, conformance/tests.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from iiab_lab.engines.embedded.objects.meta import Object

from ....exact import assert_split
from . import gateway
from .gateway import HTTP, PARENT, grant, route, to
from .tier_1 import Tier1, certificate
from .tier_2 import running_lab

REQUESTS = 2000
Cases = list[tuple[str, dict[str, Any], Any]]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tier1]:
    with running_lab(tmp_path_factory.mktemp("tier-1"), Tier1) as made:
        yield made


def apply(lab: Tier1, *objects: Object, names: str = "v1 v2 v3", namespace: str = "shop") -> None:
    """With a Service for each of the names, in front of one Pod, which is as good as new."""
    for name in names.split():
        lab.backend(name)
    lab.apply(*(obj for name in names.split() for obj in lab.service(name, name, namespace=namespace)), *objects)


def match(path: str = "", /, kind: str = "PathPrefix", **headers: str) -> Object:
    made: Object = {"path": {"type": kind, "value": path}} if path else {}
    named = [{"name": name.replace("_", "-"), "value": value} for name, value in headers.items()]
    return made | ({"headers": named} if named else {})


def rule(backend: str, /, *matches: Object, **more: Any) -> Object:
    given = {"matches": list(matches)} if matches else {}
    return {**given, "backendRefs": to(backend), **more}


def check(lab: Tier1, cases: Cases) -> None:
    found = [(path, sent, lab.pod(path, **sent)) for path, sent, _ in cases]
    assert found == cases


def test_http_route_simple_same_namespace(lab: Tier1) -> None:
    own = gateway.gateway({"name": "http", "protocol": "HTTP", "port": 80})
    apply(lab, own, route([rule("v1")], namespace="gateways"), namespace="gateways")
    check(lab, [("/", {}, "v1")])


def test_http_route_cross_namespace(lab: Tier1) -> None:
    apply(lab, route([rule("v1")]))
    check(lab, [("/", {}, "v1")])


def test_http_route_exact_path_matching(lab: Tier1) -> None:
    apply(lab, route([rule("v1", match("/one", "Exact")), rule("v2", match("/two", "Exact"))]))
    check(lab, [("/one", {}, "v1"), ("/two", {}, "v2"), ("/", {}, 404), ("/one/example", {}, 404), ("/two/", {}, 404), ("/Two", {}, 404)])  # fmt: skip


def test_http_route_header_matching(lab: Tier1) -> None:
    rules = [
        rule("v1", match(version="one")),
        rule("v2", match(version="two")),
        rule("v1", match(version="two", color="orange")),
        rule("v1", match(color="blue"), match(color="green")),
        rule("v2", match(color="red"), match(color="yellow")),
    ]
    apply(lab, route(rules))
    check(
        lab,
        [
            ("/", {"version": "one"}, "v1"),
            ("/", {"Version": "two"}, "v2"),
            ("/", {"version": "two", "COLOR": "orange"}, "v1"),
            ("/", {"color": "blue"}, "v1"),
            ("/", {"color": "green"}, "v1"),
            ("/", {"color": "red"}, "v2"),
            ("/", {"color": "yellow"}, "v2"),
            ("/", {"color": "purple"}, 404),
            ("/", {}, 404),
            ("/", {"version": "One"}, 404),
        ],
    )


def test_conditions_on_one_header_in_two_spellings_must_both_hold(lab: Tier1) -> None:
    apply(lab, route([rule("v1", match(Color="red", color="red")), rule("v2", match(Size="1", size="2"))]))
    check(lab, [("/", {"color": "red"}, "v1"), ("/", {"size": "1"}, 404), ("/", {"size": "2"}, 404)])


def test_http_route_matching(lab: Tier1) -> None:
    rules = [rule("v1", match("/"), match(version="one")), rule("v2", match("/v2"), match(version="two"))]
    apply(lab, route(rules))
    check(
        lab,
        [
            ("/", {}, "v1"),
            ("/example", {}, "v1"),
            ("/", {"version": "one"}, "v1"),
            ("/v2", {}, "v2"),
            ("/v2example", {}, "v1"),
            ("/foo/v2/example", {}, "v1"),
            ("/", {"version": "two"}, "v2"),
            ("/v2/", {}, "v2"),
        ],
    )


def test_http_route_matching_across_routes(lab: Tier1) -> None:
    one = route([rule("v1", match("/"), match(version="one"))], "one", hostnames=["example.com", "example.net"])
    two = route([rule("v2", match("/v2"), match(version="two"))], "two", at=1, hostnames=["example.com"])
    apply(lab, one, two)
    check(
        lab,
        [
            ("/", {"host": "example.com"}, "v1"),
            ("/example", {"host": "example.com"}, "v1"),
            ("/example", {"host": "example.net"}, "v1"),
            ("/", {"host": "example.com", "version": "one"}, "v1"),
            ("/v2", {"host": "example.com"}, "v2"),
            ("/v2", {"host": "example.net"}, "v1"),
            ("/", {"host": "example.net", "version": "two"}, "v1"),
            ("/", {"host": "example.com", "version": "two"}, "v2"),
            ("/", {"host": "elsewhere.com"}, 404),
        ],
    )


def test_http_route_path_match_order(lab: Tier1) -> None:
    rules = [
        rule("v3", match("/match/")),
        rule("v1", match("/match/prefix/")),
        rule("v2", match("/match/prefix/one")),
        rule("v1", match("/match", "Exact")),
        rule("v2", match("/match/exact", "Exact")),
        rule("v3", match("/match/exact/one", "Exact")),
    ]
    apply(lab, route(rules))
    check(
        lab,
        [
            ("/match/exact/one", {}, "v3"),
            ("/match/exact", {}, "v2"),
            ("/match", {}, "v1"),
            ("/match/prefix/one/any", {}, "v2"),
            ("/match/prefix/any", {}, "v1"),
            ("/match/any", {}, "v3"),
        ],
    )


def test_what_is_equal_in_all_else_goes_to_the_oldest_then_by_name(lab: Tier1) -> None:
    """A tenant's route takes nothing from an older one of another tenant's."""
    late = [route([rule("v1", match("/a"))], "young", "aaa", at=9), *lab.service("v1", "v1", namespace="aaa")]
    same = [route([rule("v3", match("/b"))], "b", at=2), route([rule("v2", match("/b"))], "a", at=2)]
    apply(lab, *late, route([rule("v2", match("/a"))], "old", at=1), *same)
    check(lab, [("/a", {}, "v2"), ("/b", {}, "v2")])


INTERSECTION = [
    HTTP | {"hostname": "very.specific.com"},
    HTTP | {"name": "two", "hostname": "*.wildcard.io"},
    HTTP | {"name": "three", "hostname": "*.anotherwildcard.io"},
]


def test_http_route_hostname_intersection(lab: Tier1) -> None:
    wild = ["non.matching.com", "wildcard.io", "foo.wildcard.io", "bar.wildcard.io", "foo.bar.wildcard.io"]
    apply(
        lab,
        gateway.gateway(*INTERSECTION),
        route([rule("v1", match("/s1"))], "a", hostnames=["non.matching.com", "*.nonmatchingwildcard.io", "very.specific.com"]),
        route([rule("v2", match("/s2"))], "b", hostnames=wild),
        route([rule("v3", match("/s3"))], "c", hostnames=["non.matching.com", "*.specific.com"]),
        route([rule("v1", match("/s4"))], "d", hostnames=["*.anotherwildcard.io"]),
        route([rule("v2", match("/s5"))], "e", hostnames=["specific.but.wrong.com", "wildcard.io"]),
    )  # fmt: skip
    check(
        lab,
        [
            ("/s1", {"host": "very.specific.com"}, "v1"),
            ("/s3", {"host": "very.specific.com"}, "v3"),
            ("/s1", {"host": "non.matching.com"}, 404),
            ("/s1", {"host": "foo.nonmatchingwildcard.io"}, 404),
            ("/s2", {"host": "foo.wildcard.io"}, "v2"),
            ("/s2", {"host": "foo.bar.wildcard.io"}, "v2"),
            ("/s2", {"host": "wildcard.io"}, 404),
            ("/s2", {"host": "baz.wildcard.io"}, 404),
            ("/s3", {"host": "foo.specific.com"}, 404),
            ("/s4", {"host": "one.anotherwildcard.io"}, "v1"),
            ("/s4", {"host": "two.three.anotherwildcard.io"}, "v1"),
            ("/s4", {"host": "anotherwildcard.io"}, 404),
            ("/s5", {"host": "specific.but.wrong.com"}, 404),
        ],
    )


def test_http_route_listener_hostname_matching(lab: Tier1) -> None:
    hosts = {"http": "bar.com", "two": "foo.bar.com", "three": "*.bar.com", "four": "*.foo.com"}
    sections = {"v1": ["http"], "v2": ["two"], "v3": ["three", "four"]}
    routes = [
        route([rule(name)], name, parentRefs=[PARENT | {"sectionName": section} for section in of])
        for name, of in sections.items()
    ]
    apply(lab, gateway.gateway(*(HTTP | {"name": name, "hostname": host} for name, host in hosts.items())), *routes)
    check(
        lab,
        [
            ("/", {"host": "bar.com"}, "v1"),
            ("/", {"host": "foo.bar.com"}, "v2"),
            ("/", {"host": "baz.bar.com"}, "v3"),
            ("/", {"host": "boo.bar.com"}, "v3"),
            ("/", {"host": "multiple.prefixes.bar.com"}, "v3"),
            ("/", {"host": "multiple.prefixes.foo.com"}, "v3"),
            ("/", {"host": "foo.com"}, 404),
            ("/", {"host": "no.matching.host"}, 404),
        ],
    )


def test_http_route_https_listener(lab: Tier1) -> None:
    def listener(name: str, **more: Any) -> Object:
        tls = {"certificateRefs": [{"name": "cert"}]}
        return HTTP | {"name": name, "protocol": "HTTPS", "port": 443, "tls": tls, **more}

    listeners = gateway.gateway(listener("https"), listener("of-a-host", hostname="second.example.org"))
    first = route([rule("v1")], hostnames=["example.org"], parentRefs=[PARENT | {"sectionName": "https"}])
    second = route([rule("v2")], "second", hostnames=["second.example.org"])
    apply(lab, listeners, certificate("cert"), first, second)
    assert [lab.over_tls(host).status for host in ("example.org", "second.example.org", "unknown.example.org")] == [200, 200, 404]  # fmt: skip
    assert lab.body(lab.over_tls("second.example.org"))["pod"] == "v2"


@pytest.mark.parametrize(
    "refs",
    [
        to("v1", kind="NonExistent"),
        to("nobody"),
        to("v1", namespace="other"),
        to("v1", weight=0),
        [],
        None,
    ],
    ids=[
        "test_http_route_invalid_backend_ref_unknown_kind",
        "test_http_route_invalid_non_existent_backend_ref",
        "test_http_route_invalid_cross_namespace_backend_ref",
        "all weights are 0",
        "test_http_route_no_backend_refs",
        "test_http_route_omitted_backend_refs",
    ],
)
def test_what_leads_nowhere_is_500(lab: Tier1, refs: Any) -> None:
    apply(lab, route([{} if refs is None else {"backendRefs": refs}]), *lab.service("v1", "v1", namespace="other"))
    check(lab, [("/", {}, 500)])


def test_http_route_reference_grant(lab: Tier1) -> None:
    across = route([{"backendRefs": to("v1", namespace="other")}])
    apply(lab, across, grant("v1"), *lab.service("v1", "v1", namespace="other"))
    check(lab, [("/", {}, "v1")])
    apply(lab, across, grant("v2"), *lab.service("v1", "v1", namespace="other"))
    check(lab, [("/", {}, 500)])


def test_http_route_partially_invalid_via_invalid_reference_grant(lab: Tier1) -> None:
    rules = [
        {"matches": [match("/v2")], "backendRefs": to("v2", namespace="other")},
        rule("v1", match("/")),
    ]
    apply(lab, route(rules), *lab.service("v2", "v2", namespace="other"))
    check(lab, [("/v2", {}, 500), ("/", {}, "v1")])


def test_http_route_redirect_host_and_status(lab: Tier1) -> None:
    def redirect(path: str, **to: Any) -> Object:
        filters = [{"type": "RequestRedirect", "requestRedirect": {"hostname": "example.org", **to}}]
        return {"matches": [match(path)], "filters": filters}

    apply(lab, route([redirect("/hostname-redirect"), redirect("/host-and-status", statusCode=301)]))
    for path, status in (("/hostname-redirect", 302), ("/host-and-status?x=1", 301)):
        response = lab.get(path)
        assert (response.status, response.headers["location"]) == (status, f"http://example.org{path}")


def test_http_route_request_header_modifier(lab: Tier1) -> None:
    modifier = {
        "set": [{"name": "X-Header-Set", "value": "set-overwrites-values"}],
        "add": [{"name": "X-Header-Add", "value": "add-appends-values"}],
        "remove": ["X-Header-Remove"],
    }
    filters = [{"type": "RequestHeaderModifier", "requestHeaderModifier": modifier}]
    apply(lab, route([rule("v1", match("/"), filters=filters)]))
    sent = {"x_header_set": "some-other-value", "x_header_add": "some-other-value", "x_header_remove": "val", "x_header_keep": "yes"}  # fmt: skip
    heard = {name.lower(): value for name, value in lab.body(lab.get(**sent))["headers"].items()}
    assert heard["x-header-set"] == "set-overwrites-values"
    assert "x-header-remove" not in heard and heard["x-header-keep"] == "yes"
    assert "add-appends-values" in lab.backends["v1"].values("x-header-add")
    assert "some-other-value" in lab.backends["v1"].values("x-header-add")


def test_http_route_service_types(lab: Tier1) -> None:
    """A headless Service is served like any other: the edge goes to the Pods."""
    headless, *rest = lab.service("v1", "v1")
    headless["spec"]["clusterIP"] = "None"
    lab.apply(headless, *rest, route([rule("v1")]))
    check(lab, [("/", {}, "v1")])


@pytest.mark.parametrize("weights", [(90, 10), (50, 50), (80, 15, 5), (1, 0, 999_999)])
def test_http_route_weight(lab: Tier1, weights: tuple[int, ...]) -> None:
    names = [f"v{index}" for index in range(1, len(weights) + 1)]
    refs = [{"name": name, "port": 80, "weight": weight} for name, weight in zip(names, weights, strict=True)]
    apply(lab, route([{"backendRefs": refs}]))
    assert_split(lab.counts(REQUESTS, *names), weights)


def test_the_share_of_what_leads_nowhere_is_500(lab: Tier1) -> None:
    refs = [*to("v1", weight=80), *to("v2", weight=15), *to("nobody", weight=5)]
    apply(lab, route([{"backendRefs": refs}]))
    found = lab.many(REQUESTS)
    assert set(found) == {"v1", "v2", 500}
    assert_split([found.count("v1"), found.count("v2"), found.count(500)], (80, 15, 5))
