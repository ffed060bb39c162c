"""What Istio's webhook refuses, in its words; and what only a proxy would."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from iiab_lab.engines.embedded.rules.istio import destination_rule, status, unserved, virtual_service, words

ROUTE = "route: [{destination: {host: web}}]"


def service(rule: str, hosts: str = "[web.example.org]", **more: Any) -> dict[str, Any]:
    spec = {"hosts": yaml.safe_load(hosts), "gateways": ["shop/front"], "http": [yaml.safe_load(f"{{{rule}}}")], **more}
    return {"metadata": {"name": "web", "namespace": "shop", "uid": "1"}, "spec": spec}


def rule_of(text: str) -> dict[str, Any]:
    return {"metadata": {"name": "web", "namespace": "shop"}, "spec": {"host": "web", **yaml.safe_load(f"{{{text}}}")}}


RE2 = "; Istio uses RE2 style regex-based match (https://github.com/google/re2/wiki/Syntax)"
EMPTY_REWRITE = (
    "rewrite must specify at least one of URI, UriRegexRewrite, or authority. "
    "Only one of URI or UriRegexRewrite may be specified"
)


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        (ROUTE, []),
        ("", ["HTTP route, redirect or direct_response is required"]),
        ("redirect: {uri: /x}, " + ROUTE, ["HTTP route cannot contain both route and redirect"]),
        ("redirect: {uri: /x}, fault: {abort: {}}", ["HTTP route cannot contain both fault and redirect"]),
        ("redirect: {uri: /x}, rewrite: {uri: /y}", ["HTTP route rule cannot contain both rewrite and redirect"]),
        ("directResponse: {status: 200}, " + ROUTE, ["HTTP route cannot contain both route and direct_response"]),
        (
            "directResponse: {status: 200}, redirect: {uri: /x}",
            ["HTTP route rule cannot contain both direct_response and redirect"],
        ),
        (
            "mirror: {host: a}, mirrors: [{destination: {host: b}}], " + ROUTE,
            ["HTTP route cannot contain both mirror and mirrors"],
        ),
        (
            "match: [{uri: {regex: '[a-'}}], " + ROUTE,
            ['"uri": error parsing regexp: missing closing ]: `[a-`' + RE2],
        ),
        (
            f"match: [{{uri: {{regex: '{'a{1,1000}' * 100}'}}}}], {ROUTE}",
            [f'"uri": error parsing regexp: expression too large: `{("a{1,1000}" * 5)[:40]}`' + RE2],
        ),
        ("match: [{uri: {prefix: ''}}], " + ROUTE, []),
        ("match: [{method: {prefix: ''}}], " + ROUTE, ['"method": prefix string match should not be empty']),
        ("match: [{headers: {'a b': {exact: x}}}], " + ROUTE, ["header name a b is not a valid header name"]),
        ("match: [{withoutHeaders: {x: {regex: '*'}}}], " + ROUTE, []),
        ("match: [{queryParams: {x: {regex: '('}}}], " + ROUTE, None),
        ("match: [{port: 70000}], " + ROUTE, ["port number 70000 must be in the range 1..65535"]),
        ("match: [{gateways: ['a_b/c']}], " + ROUTE, ['invalid value for namespace: "a_b"']),
        ("headers: {request: {set: {':path': x}}}, " + ROUTE, None),
        ("headers: {request: {remove: [host]}}, " + ROUTE, ['invalid header "host": cannot set Host header']),
        ("headers: {response: {add: {x: '100%'}}}, " + ROUTE, None),
        ("headers: {response: {add: {x: '100%% %START_TIME%'}}}, " + ROUTE, []),
        (
            "headers: {request: {set: {Host: a}}}, rewrite: {authority: b}, " + ROUTE,
            ['authority header cannot be set multiple times: have "b", attempting to set "a"'],
        ),
        ("redirect: {redirectCode: 302}", ["redirect must specify URI, authority, scheme, or port"]),
        ("redirect: {uri: /x, redirectCode: 200}", ["200 is not a valid redirect code, must be 3xx"]),
        ("redirect: {scheme: ftp}", ['invalid redirect scheme, must be "http" or "https"']),
        (
            "match: [{uri: {exact: /a}}], redirect: {prefixRewrite: /b}",
            ["redirect prefix_rewrite requires all URI matches to use prefix match type"],
        ),
        ("directResponse: {status: 99}", ["HTTP status 99 is not in range 200-599"]),
        ("rewrite: {}, " + ROUTE, [EMPTY_REWRITE]),
        (
            "rewrite: {uri: /x, uriRegexRewrite: {match: a, rewrite: b}}, " + ROUTE,
            ["rewrite may only contain one of URI or UriRegexRewrite"],
        ),
        ("retries: {attempts: -1}, " + ROUTE, ["attempts cannot be negative"]),
        (
            "retries: {attempts: 0, retryOn: 5xx}, " + ROUTE,
            ["http retry policy configured when attempts are set to 0 (disabled)"],
        ),
        ("retries: {attempts: 2, retryOn: '5xx,503,gateway-error'}, " + ROUTE, []),
        ("retries: {attempts: 2, retryOn: 'often'}, " + ROUTE, ['"often" is not a valid retryOn policy']),
        ("fault: {}, " + ROUTE, ["HTTP fault injection must have an abort and/or a delay"]),
        (
            "fault: {abort: {httpStatus: 500, percentage: {value: 101}}}, " + ROUTE,
            ["percentage 101 is neither 0.0, nor in range [0.0001, 100.0]"],
        ),
        (
            "mirror: {host: a}, mirrorPercentage: {value: 150}, " + ROUTE,
            ["mirror_percentage must have a max value of 100 (it has 150.000000)"],
        ),
        ("mirrors: [{destination: {host: 'a_b'}}], " + ROUTE, ['domain name "a_b" invalid (label "a_b" invalid)']),
        ("corsPolicy: {allowMethods: [FETCH]}, " + ROUTE, ['"FETCH" is not a supported HTTP method']),
        ("corsPolicy: {allowHeaders: ['*']}, " + ROUTE, []),
        ("route: [{destination: {host: '*'}}]", ["invalid destination host *"]),
        ("route: [{destination: {host: web, subset: v_1}}]", ["subset name is invalid: v_1"]),
        (
            "route: [{destination: {host: a}}, {destination: {host: b}, weight: 0}]",
            ["total destination weight = 0"],
        ),
        ("route: [{destination: {host: a}, weight: -1}]", ["weight -1 < 0"]),
    ],
)
def test_rules_as_istios_webhook_judges_them(rule: str, said: list[str] | None) -> None:
    found = virtual_service.problems(service(rule))
    assert found == said if said is not None else len(found) == 1


@pytest.mark.parametrize(
    ("hosts", "more", "said"),
    [
        ("['*']", {}, []),
        (
            "['*']",
            {"gateways": ["mesh"]},
            ["wildcard host * is not allowed for virtual services bound to the mesh gateway"],
        ),
        ("[a.b_c]", {}, ['domain name "b_c" invalid (label "b_c" invalid)']),
        ("[a.12]", {}, ['domain name "12" invalid (top level domain "12" cannot be all-numeric)']),
        ("['*.a.org', x.a.org]", {}, ["duplicate hosts in virtual service: *.a.org & x.a.org"]),
        ("[]", {}, ["delegate virtual service must have no gateways specified"]),
        ("[a.org]", {"exportTo": [".", "shop"]}, ["duplicate entries in exportTo for entry shop"]),
        (
            "[a.org]",
            {"exportTo": ["*", "x"]},
            ["cannot have both public (*) and non-public exportTo values for a resource"],
        ),
        ("[a.org]", {"exportTo": ["~"]}, ["exportTo ~ (none) is not allowed for Istio configuration objects"]),
        ("[a.org]", {"http": []}, ["http, tcp or tls must be provided in virtual service"]),
    ],
)
def test_hosts_as_istios_webhook_judges_them(hosts: str, more: dict[str, Any], said: list[str]) -> None:
    assert virtual_service.problems(service(ROUTE, hosts, **more)) == said


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("subsets: [{name: v1, labels: {version: v1}}]", []),
        ("host: ''", ["empty domain name not allowed"]),
        ("subsets: [{name: v1}, {name: v1}]", ["duplicate subset names: v1"]),
        ("subsets: [{name: v1, labels: {'a b': x}}]", ['invalid tag key: "a b"']),
        ("trafficPolicy: {}", ["traffic policy must have at least one field"]),
        ("trafficPolicy: {connectionPool: {}}", ["connection pool must have at least one field"]),
        ("trafficPolicy: {connectionPool: {tcp: {maxConnections: -1}}}", ["max connections must be non-negative"]),
        ("trafficPolicy: {outlierDetection: {maxEjectionPercent: 101}}", ["percentage 101 is not in range 0..100"]),
        (
            "trafficPolicy: {loadBalancer: {consistentHash: {useSourceIp: true, maglev: {tableSize: 10}}}}",
            ["tableSize must be a prime number for maglev"],
        ),
        (
            "trafficPolicy: {loadBalancer: {consistentHash: {httpCookie: {name: c, ttl: long}}}}",
            ['bad Duration: time: invalid duration "long"'],
        ),
    ],
)
def test_destination_rules_as_istios_webhook_judges_them(rule: str, said: list[str]) -> None:
    assert destination_rule.problems(rule_of(rule)) == said


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        (ROUTE, ""),
        ("redirect: {uri: /x, redirectCode: 305}", "redirectCode 305 is not one that a proxy answers"),
        ("directResponse: {status: 600}", "HTTP status 600"),
        ("fault: {abort: {httpStatus: 600}}, " + ROUTE, "HTTP status 600"),
        ("rewrite: {uriRegexRewrite: {match: '(a)', rewrite: '\\2'}}, " + ROUTE, "names no group of (a)"),
        ("rewrite: {uriRegexRewrite: {match: '(a)', rewrite: '\\1'}}, " + ROUTE, ""),
        ('rewrite: {uri: "/a\\nb"}, ' + ROUTE, "must not hold a line break"),
        ('headers: {request: {set: {"a\\nb": x}}}, ' + ROUTE, "must not hold a line break"),
        ("match: [{queryParams: {'': {exact: x}}}], " + ROUTE, "must be of 1 to 1024 bytes"),
        ("match: [{withoutHeaders: {x: {regex: '*'}}}], " + ROUTE, ""),
        ("headers: {request: {set: {regex: '['}}}, " + ROUTE, ""),
        ("route: [" + ", ".join(["{destination: {host: a}, weight: 2147483647}"] * 3) + "]", "weights add up to more"),
    ],
)
def test_what_only_a_proxy_would_refuse_in_a_virtual_service(rule: str, said: str) -> None:
    obj = service(rule)
    found = unserved.virtual_service(obj)
    assert said in found[0] if said else found == [], found
    assert "must not hold" in said or "weights" in said or virtual_service.problems(obj) == []


@pytest.mark.parametrize(
    ("consistent", "said"),
    [
        ("httpHeaderName: x-user", ""),
        ("httpHeaderName: ''", "httpHeaderName must not be empty"),
        ("httpQueryParameterName: ''", "httpQueryParameterName must not be empty"),
        ("useSourceIp: true, ringHash: {minimumRingSize: 9000000}", "minimumRingSize must be 8388608 at most"),
        ('httpCookie: {name: "a\\nb"}', "must not hold a line break"),
        ("httpCookie: {name: c, ttl: -1s}", "ttl -1s must not be negative"),
    ],
)
def test_what_only_a_proxy_would_refuse_in_a_destination_rule(consistent: str, said: str) -> None:
    found = unserved.destination_rule(rule_of(f"trafficPolicy: {{loadBalancer: {{consistentHash: {{{consistent}}}}}}}"))
    assert said in found[0] if said else found == []


@pytest.mark.parametrize(
    ("text", "holds"),
    [("5s", True), ("1.5s", True), ("1h30m", True), ("1ms", True), ("0s", False), ("5", False), ("", False)],
)
def test_a_duration_is_gos_and_of_a_millisecond_at_least(text: str, holds: bool) -> None:
    assert words.is_duration(text) is holds


def test_a_status_says_what_is_wrong_and_nothing_where_all_is_well() -> None:
    obj, now = service(ROUTE), "2026-01-01T00:00:00Z"
    assert status.status(obj, [], now) == {}
    made = status.status(obj, [status.Problem(status.REFUSED, "why"), status.Problem(status.FOREIGN, "whose")], now)
    (condition,) = made["conditions"]
    assert (condition["type"], condition["status"], condition["message"]) == ("Reconciled", "False", "why; whose")
    assert [message["type"]["code"] for message in made["validationMessages"]] == ["IST0106"]
