"""Each field of a VirtualService → what it makes of a route; and whom a host belongs to."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from iiab_lab.engines.embedded.objects.kinds import Key
from iiab_lab.engines.embedded.objects.meta import Object

from . import mesh

TO_WEB = {"route": [{"destination": {"host": "web"}}]}
ANY_RETRY = {
    "num_retries": 2,
    "retry_on": "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes",
    "host_selection_retry_max_attempts": 5,
}


def routes(*http: Any, others: tuple[Object, ...] = (), **spec: Any) -> list[Any]:
    made = mesh.translate(*mesh.service("web", {"v1": 9001}), *others, mesh.virtual_service(list(http), **spec))
    return mesh.hosts(made).get("web.example.org", [])


def route(text: str) -> Any:
    (only,) = routes({**TO_WEB, **yaml.safe_load(f"{{{text}}}")})
    return only


@pytest.mark.parametrize(
    ("match", "made"),
    [
        ("", {"prefix": "/"}),
        ("uri: {exact: /a}", {"path": "/a"}),
        ("uri: {prefix: /a}", {"prefix": "/a"}),
        ("uri: {regex: '/a.*'}", {"safe_regex": {"regex": "/a.*"}}),
        ("uri: {prefix: /a}, ignoreUriCase: true", {"prefix": "/a", "case_sensitive": False}),
        ("method: {exact: GET}", {"prefix": "/", "headers": [{"name": ":method", "string_match": {"exact": "GET"}}]}),
        (
            "scheme: {exact: https}",
            {"prefix": "/", "headers": [{"name": ":scheme", "string_match": {"exact": "https"}}]},
        ),
        (
            "authority: {prefix: web}",
            {"prefix": "/", "headers": [{"name": ":authority", "string_match": {"prefix": "web"}}]},
        ),
        ("headers: {X-A: {}}", {"prefix": "/", "headers": [{"name": "x-a", "present_match": True}]}),
        (
            "headers: {b: {exact: '1'}, a: {regex: '2+'}}",
            {
                "prefix": "/",
                "headers": [
                    {"name": "a", "string_match": {"safe_regex": {"regex": "2+"}}},
                    {"name": "b", "string_match": {"exact": "1"}},
                ],
            },
        ),
        (
            "withoutHeaders: {a: {}}",
            {"prefix": "/", "headers": [{"name": "a", "present_match": True, "invert_match": True}]},
        ),
        (
            "withoutHeaders: {a: {exact: '1'}}",
            {
                "prefix": "/",
                "headers": [
                    {
                        "name": "a",
                        "string_match": {"exact": "1"},
                        "invert_match": True,
                        "treat_missing_header_as_empty": True,
                    }
                ],
            },
        ),
        (
            "queryParams: {q: {exact: '1'}}",
            {"prefix": "/", "query_parameters": [{"name": "q", "string_match": {"exact": "1"}}]},
        ),
        ("queryParams: {q: {}}", {"prefix": "/", "query_parameters": [{"name": "q", "present_match": True}]}),
        ("port: 80", {"prefix": "/"}),
        ("gateways: [istio-system/front]", {"prefix": "/"}),
    ],
)
def test_a_match(match: str, made: Any) -> None:
    assert route(f"match: [{{{match}}}]")["match"] == made


@pytest.mark.parametrize("match", ["port: 443", "gateways: [mesh]", "gateways: [shop/other]"])
def test_a_match_for_another_way_in_makes_no_route(match: str) -> None:
    assert routes({**TO_WEB, "match": [yaml.safe_load(f"{{{match}}}")]}) == []


def test_several_matches_are_alternatives_and_rules_keep_their_order() -> None:
    one = {"match": [{"uri": {"exact": "/a"}}, {"uri": {"exact": "/b"}, "name": "b"}], "name": "one"}
    made = routes(
        {**one, **TO_WEB}, {"match": [{"uri": {"prefix": "/"}, "headers": {"x": {}}}], **TO_WEB}, TO_WEB, TO_WEB
    )
    assert [item["match"].get("path", item["match"].get("prefix")) for item in made] == ["/a", "/b", "/", "/"]
    assert [item.get("name") for item in made] == ["one", "one.b", None, None], "the last rule is never reached"


@pytest.mark.parametrize(
    ("redirect", "made"),
    [
        ("uri: /x", {"path_redirect": "/x"}),
        ("prefixRewrite: /x", {"prefix_rewrite": "/x"}),
        ("authority: a.org, scheme: https", {"host_redirect": "a.org", "scheme_redirect": "https"}),
        ("port: 8443", {"port_redirect": 8443}),
        ("uri: /x, port: 80", {"path_redirect": "/x"}),
        ("scheme: https, port: 443", {"scheme_redirect": "https"}),
        ("scheme: https, derivePort: FROM_REQUEST_PORT", {"scheme_redirect": "https", "port_redirect": 80}),
        ("uri: /x, derivePort: FROM_PROTOCOL_DEFAULT", {"path_redirect": "/x"}),
        ("uri: /x, redirectCode: 301", {"path_redirect": "/x"}),
        ("uri: /x, redirectCode: 302", {"path_redirect": "/x", "response_code": "FOUND"}),
        ("uri: /x, redirectCode: 303", {"path_redirect": "/x", "response_code": "SEE_OTHER"}),
        ("uri: /x, redirectCode: 307", {"path_redirect": "/x", "response_code": "TEMPORARY_REDIRECT"}),
        ("uri: /x, redirectCode: 308", {"path_redirect": "/x", "response_code": "PERMANENT_REDIRECT"}),
    ],
)
def test_a_redirect(redirect: str, made: Any) -> None:
    (only,) = routes({"redirect": yaml.safe_load(f"{{{redirect}}}")})
    assert only == {"match": {"prefix": "/"}, "redirect": made}


def test_a_direct_response_with_headers() -> None:
    rule = {"directResponse": {"status": 418, "body": {"string": "tea"}}, "headers": {"response": {"set": {"x": "1"}}}}
    (only,) = routes(rule)
    assert only["direct_response"] == {"status": 418, "body": {"inline_string": "tea"}}
    assert only["response_headers_to_add"][0]["header"] == {"key": "x", "value": "1"}


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("", {"timeout": "0s"}),
        ("timeout: 1.5s", {"timeout": "1.5s"}),
        ("rewrite: {uri: /x}", {"prefix_rewrite": "/x"}),
        ("rewrite: {authority: a.org}", {"host_rewrite_literal": "a.org"}),
        ("headers: {request: {set: {Host: a.org}}}", {"host_rewrite_literal": "a.org"}),
        (
            "rewrite: {uriRegexRewrite: {match: '^/a/(.*)', rewrite: '/\\1'}}",
            {"regex_rewrite": {"pattern": {"regex": "^/a/(.*)"}, "substitution": "/\\1"}},
        ),
    ],
)
def test_what_is_forwarded(text: str, made: Any) -> None:
    action = route(text)["route"]
    assert made.items() <= action.items() and action["cluster"] == "outbound|80||web.shop.svc.cluster.local"


@pytest.mark.parametrize(
    ("retries", "made"),
    [
        ("", ANY_RETRY),
        ("retries: {attempts: 0}", None),
        ("retries: {attempts: 3}", {**ANY_RETRY, "num_retries": 3}),
        ("retries: {attempts: 1, perTryTimeout: 2s}", {**ANY_RETRY, "num_retries": 1, "per_try_timeout": "2s"}),
        ("retries: {attempts: 2, backoff: 100ms}", {**ANY_RETRY, "retry_back_off": {"base_interval": "0.1s"}}),
        (
            "retries: {attempts: 2, retryOn: '5xx,503'}",
            {**ANY_RETRY, "retry_on": "5xx,retriable-status-codes", "retriable_status_codes": [503]},
        ),
    ],
)
def test_retries(retries: str, made: Any) -> None:
    found = route(retries)["route"].get("retry_policy")
    predicates = (found or {}).pop("retry_host_predicate", [])
    assert found == made and len(predicates) == bool(made)


def test_a_retry_may_go_to_the_same_pod() -> None:
    asked = route("retries: {attempts: 1, retryIgnorePreviousHosts: false}")["route"]["retry_policy"]
    assert "retry_host_predicate" not in asked


def test_weights_and_headers_of_each_destination() -> None:
    headers = {"request": {"set": {"v": "2", "Host": "two.org"}, "add": {"a": "1"}, "remove": ["r"]}}
    weighted = [
        {"destination": {"host": "web"}, "weight": 3},
        {"destination": {"host": "web", "port": {"number": 81}}, "weight": 1, "headers": headers},
        {"destination": {"host": "gone"}, "weight": 0},
    ]
    (only,) = routes({"route": weighted})
    one, two = only["route"]["weighted_clusters"]["clusters"]
    assert one == {"name": "outbound|80||web.shop.svc.cluster.local", "weight": 3}
    assert (two["name"], two["weight"]) == ("outbound|81||web.shop.svc.cluster.local", 1)
    assert two["host_rewrite_literal"] == "two.org" and two["request_headers_to_remove"] == ["r"]
    assert [item["append_action"] for item in two["request_headers_to_add"]] == [
        "OVERWRITE_IF_EXISTS_OR_ADD",
        "APPEND_IF_EXISTS_OR_ADD",
    ]


def test_the_only_destination_takes_everything_and_its_headers_come_last() -> None:
    own = {"response": {"set": {"x": "own"}}}
    rule = {
        "headers": {"response": {"set": {"x": "rule"}}},
        "route": [{"destination": {"host": "web"}, "headers": own}],
    }
    (only,) = routes({**rule, "route": [{**rule["route"][0], "weight": 0}]})
    assert [item["header"]["value"] for item in only["response_headers_to_add"]] == ["rule", "own"]
    assert "cluster" in only["route"]


@pytest.mark.parametrize(
    ("mirror", "numerators"),
    [
        ("mirror: {host: web}", [1_000_000]),
        ("mirror: {host: web}, mirrorPercentage: {value: 12.5}", [125_000]),
        ("mirror: {host: web}, mirrorPercentage: {value: 0}", []),
        (
            "mirrors: [{destination: {host: web}}, {destination: {host: a}, percentage: {value: 1}}]",
            [1_000_000, 10_000],
        ),
    ],
)
def test_mirrors(mirror: str, numerators: list[int]) -> None:
    found = route(mirror)["route"].get("request_mirror_policies", [])
    assert [one["runtime_fraction"]["default_value"]["numerator"] for one in found] == numerators


def test_faults_and_cors_are_the_routes_own() -> None:
    made = route(
        "fault: {delay: {fixedDelay: 2s, percentage: {value: 10}}, abort: {httpStatus: 503, percentage: {value: 0.5}}}, "
        "corsPolicy: {allowOrigins: [{exact: 'https://a.org'}, {regex: '.*'}], allowMethods: [GET, PUT], maxAge: 24h, "
        "allowCredentials: true, unmatchedPreflights: IGNORE}"
    )["typed_per_filter_config"]
    fault, cors = made["envoy.filters.http.fault"], made["envoy.filters.http.cors"]
    assert fault["delay"] == {"fixed_delay": "2s", "percentage": {"numerator": 100_000, "denominator": "MILLION"}}
    assert fault["abort"] == {"http_status": 503, "percentage": {"numerator": 5_000, "denominator": "MILLION"}}
    assert (cors["allow_methods"], cors["max_age"], cors["allow_credentials"]) == ("GET,PUT", "86400", True)
    assert cors["allow_origin_string_match"] == [{"exact": "https://a.org"}, {"safe_regex": {"regex": ".*"}}]
    assert cors["forward_not_matching_preflights"] is False


def served(
    *services: Object, spaces: tuple[str, ...] = ("shop", "rival")
) -> tuple[dict[str, list[str]], dict[Key, Any]]:
    """domain → the paths that lead somewhere, and what is refused."""
    made = mesh.translate(*(mesh.namespace(name) for name in spaces), *services)
    paths = {domain: [item["match"].get("path", "/") for item in found] for domain, found in mesh.hosts(made).items()}
    return paths, dict(made.refused)


def at(path: str) -> list[Any]:
    match = {"match": [{"uri": {"exact": path}}]} if path != "/" else {}
    return [{**match, "directResponse": {"status": 200}}]


def test_virtual_services_of_one_namespace_share_a_host_and_the_catch_all_goes_last() -> None:
    paths, refused = served(
        mesh.virtual_service(at("/"), "all", at=1),
        mesh.virtual_service(at("/a"), "a", at=2),
        mesh.virtual_service(at("/b"), "b", at=3),
    )
    assert (paths, refused) == ({"web.example.org": ["/a", "/b", "/"]}, {})


def test_a_host_belongs_to_the_namespace_that_named_it_first() -> None:
    mine, theirs = mesh.virtual_service(at("/mine"), at=1), mesh.virtual_service(at("/theirs"), namespace="rival", at=0)
    assert served(mine, theirs)[0] == {"web.example.org": ["/theirs"]}
    theirs["metadata"]["creationTimestamp"] = "2026-01-01T00:00:02Z"
    paths, refused = served(mine, theirs)
    assert paths == {"web.example.org": ["/mine"]}
    said = "host web.example.org belongs to VirtualService shop/web, which named it first → choose another host"
    assert refused == {Key("rival", "web"): [said]}


@pytest.mark.parametrize("host", ["iris.shop.svc.cluster.local", "iris.shop.example.com", "*.shop.example.com"])
def test_names_of_a_namespace_are_its_own_however_old_the_claim(host: str) -> None:
    theirs = mesh.virtual_service(at("/stolen"), namespace="rival", hosts=[host, "rival.example.org"], at=0)
    paths, refused = served(theirs, mesh.virtual_service(at("/own"), hosts=[host], at=5))
    assert (paths[host], paths["rival.example.org"]) == (["/own"], ["/stolen"])
    assert "belongs to namespace shop" in refused[Key("rival", "web")][0]


@pytest.mark.parametrize("wide", ["*", "*.com", "*.example.com", "*hop.example.com", "*e.com"])
def test_a_wide_host_covers_no_name_that_belongs_to_a_namespace(wide: str) -> None:
    paths, refused = served(mesh.virtual_service(at("/"), namespace="rival", hosts=[wide]))
    assert paths[wide] == ["/"] and refused == {}
    assert paths["*.shop.example.com"] == []
    assert paths.get("*.shop.svc.cluster.local", []) == []


def test_a_domain_stands_once_and_whoever_names_it_comes_first() -> None:
    wide = mesh.virtual_service(at("/wide"), hosts=["*.org"], gateways=["shop/own"], at=0)
    named = mesh.virtual_service(at("/named"), namespace="rival", hosts=["a.ORG"], gateways=["shop/own"], at=1)
    server = {"port": {"number": 80, "name": "http", "protocol": "HTTP"}, "hosts": ["a.org"]}
    gateway = {"selector": {"istio": "ingressgateway"}, "servers": [server]}
    meta = {"name": "own", "namespace": "shop"}
    made = mesh.translate(
        {"apiVersion": "networking.istio.io/v1", "kind": "Gateway", "metadata": meta, "spec": gateway}, wide, named
    )
    (one,) = made.snapshot.routes["http.own.shop"]["virtual_hosts"]
    assert (one["domains"], one["routes"][0]["match"]) == (["a.org"], {"path": "/named"})


def test_the_root_namespace_may_name_any_host() -> None:
    paths, refused = served(mesh.virtual_service(at("/"), namespace="istio-system", hosts=["iris.shop.example.com"]))
    assert (paths, refused) == ({"iris.shop.example.com": ["/"]}, {})


@pytest.mark.parametrize(
    ("offered", "host", "domains"),
    [
        ("*", "a.org", ["a.org"]),
        ("*.org", "a.org", ["a.org"]),
        ("a.org", "*.org", ["a.org"]),
        ("b.org", "a.org", []),
        ("shop/*", "a.org", ["a.org"]),
        ("*/a.org", "a.org", ["a.org"]),
        ("rival/*", "a.org", []),
    ],
)
def test_a_server_takes_the_hosts_it_offers(offered: str, host: str, domains: list[str]) -> None:
    service = mesh.virtual_service(at("/"), hosts=[host], gateways=["shop/own"])
    server = {"port": {"number": 80, "name": "http", "protocol": "HTTP"}, "hosts": [offered]}
    gateway = {"selector": {"istio": "ingressgateway"}, "servers": [server]}
    meta = {"name": "own", "namespace": "shop"}
    made = mesh.translate(
        {"apiVersion": "networking.istio.io/v1", "kind": "Gateway", "metadata": meta, "spec": gateway}, service
    )
    table = made.snapshot.routes["http.own.shop"]
    assert [domain for one in table["virtual_hosts"] for domain in one["domains"]] == domains


@pytest.mark.parametrize(("exported", "seen"), [(None, True), (["*"], True), (["istio-system"], True), (["."], False)])
def test_only_what_is_exported_to_the_gateway_is_served(exported: list[str] | None, seen: bool) -> None:
    spec = {"exportTo": exported} if exported else {}
    assert bool(served(mesh.virtual_service(at("/"), **spec))[0]) is seen


def test_one_of_the_mesh_alone_claims_no_host() -> None:
    aside = mesh.virtual_service(at("/"), namespace="rival", gateways=["mesh"], at=0)
    assert served(aside, mesh.virtual_service(at("/own"), at=1)) == ({"web.example.org": ["/own"]}, {})


def test_through_the_local_gateway_the_inner_host_decides_by_its_own_matches() -> None:
    local = {"destination": {"host": "knative-local-gateway.istio-system.svc.cluster.local", "port": {"number": 80}}}
    inner = "model-predictor.shop.svc.cluster.local"
    outer = mesh.virtual_service(
        [{"match": [{"uri": {"prefix": "/v1"}}], "headers": {"request": {"set": {"Host": inner}}}, "route": [local]}]
    )
    tagged = {"match": [{"authority": {"exact": "prev-model-predictor.shop.svc.cluster.local"}}], **TO_WEB}
    plain = {
        "match": [{"authority": {"exact": inner}, "headers": {"x": {"exact": "1"}}}],
        "retries": {"attempts": 0},
        **TO_WEB,
    }
    meant = mesh.virtual_service([tagged, plain], "inner", hosts=[inner])
    made = mesh.translate(*mesh.service("web", {"v1": 9001}), outer, meant)
    (only,) = mesh.hosts(made)["web.example.org"]
    assert only["match"] == {"prefix": "/v1", "headers": [{"name": "x", "string_match": {"exact": "1"}}]}
    assert only["route"]["host_rewrite_literal"] == inner and "retry_policy" not in only["route"]
