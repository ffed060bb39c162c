"""Requests through a real Envoy: what VirtualServices and DestinationRules say is what happens to them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from iiab_lab.engines.embedded.objects.meta import Object

from ....exact import assert_split
from . import mesh
from .tier_2 import Tier2, running_lab

REQUESTS = 2000
SUBSETS = [{"name": name, "labels": {"version": name}} for name in ("v1", "v2", "v3")]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tier2]:
    with running_lab(tmp_path_factory.mktemp("tier-2"), Tier2) as made:
        yield made


def to(host: str, **more: Any) -> dict[str, Any]:
    return {"route": [{"destination": {"host": host, **more}}]}


def rules(text: str) -> list[Any]:
    made: list[Any] = yaml.safe_load(text)
    return made


def split(*weights: int) -> list[Object]:
    """A VirtualService over the subsets v1, v2, v3 of web, and the DestinationRule that defines them."""
    named = zip(SUBSETS, weights, strict=False)
    routes = [{"destination": {"host": "web", "subset": one["name"]}, "weight": weight} for one, weight in named]
    return [mesh.virtual_service([{"route": routes}]), mesh.destination_rule("web", subsets=SUBSETS)]


MATCHES = """
- {match: [{uri: {exact: /exact}}], route: [{destination: {host: a}}]}
- {match: [{uri: {prefix: /case}, ignoreUriCase: true}], route: [{destination: {host: a}}]}
- {match: [{uri: {regex: '/v[0-9]+/x'}}], route: [{destination: {host: a}}]}
- {match: [{uri: {prefix: /get}, method: {exact: GET}}], route: [{destination: {host: a}}]}
- {match: [{uri: {prefix: /both}, headers: {x-a: {exact: '1'}, x-b: {prefix: y}}}], route: [{destination: {host: a}}]}
- {match: [{uri: {prefix: /here}, headers: {x-a: {}}}], route: [{destination: {host: a}}]}
- {match: [{uri: {prefix: /gone}, withoutHeaders: {x-a: {}}}], route: [{destination: {host: a}}]}
- {match: [{uri: {prefix: /not}, withoutHeaders: {x-a: {exact: '1'}}}], route: [{destination: {host: a}}]}
- {match: [{uri: {prefix: /query}, queryParams: {q: {exact: '1'}}}], route: [{destination: {host: a}}]}
- {match: [{uri: {exact: /one}}, {uri: {exact: /two}}], route: [{destination: {host: a}}]}
- {match: [{uri: {prefix: /port}, port: 443}], route: [{destination: {host: a}}]}
- {match: [{uri: {prefix: /name}, authority: {exact: web.example.org}}], route: [{destination: {host: a}}]}
- route: [{destination: {host: b}}]
"""


@pytest.fixture
def matching(lab: Tier2) -> Tier2:
    lab.apply(*lab.service("a", "a"), *lab.service("b", "b"), mesh.virtual_service(rules(MATCHES)))
    return lab


@pytest.mark.parametrize(
    ("path", "request_of", "pod"),
    [
        ("/exact", {}, "a"),
        ("/exact/more", {}, "b"),
        ("/CASE/x", {}, "a"),
        ("/v12/x", {}, "a"),
        ("/v12/xy", {}, "b"),
        ("/get", {}, "a"),
        ("/get", {"method": "POST"}, "b"),
        ("/both", {"x_a": "1", "x_b": "yes"}, "a"),
        ("/both", {"x_a": "1"}, "b"),
        ("/both", {"x_a": "1", "x_b": "no"}, "b"),
        ("/here", {"X_A": "anything"}, "a"),
        ("/here", {}, "b"),
        ("/gone", {}, "a"),
        ("/gone", {"x_a": "1"}, "b"),
        ("/not", {"x_a": "1"}, "b"),
        ("/not", {"x_a": "2"}, "a"),
        ("/not", {}, "a"),
        ("/query?q=1", {}, "a"),
        ("/query?q=2", {}, "b"),
        ("/one", {}, "a"),
        ("/two", {}, "a"),
        ("/port", {}, "b"),
        ("/name", {"host": "web.example.org:8080"}, "a"),
        ("/", {"host": "elsewhere.example.org"}, 404),
    ],
)
def test_a_request_takes_the_first_rule_it_matches(matching: Tier2, path: str, request_of: Any, pod: Any) -> None:
    assert matching.pod(path, **request_of) == pod


ACTIONS = """
- {match: [{uri: {exact: /moved}}], redirect: {uri: /there, authority: new.example.org, redirectCode: 308}}
- {match: [{uri: {prefix: /pre}}], redirect: {prefixRewrite: /post, scheme: https, port: 8443}}
- {match: [{uri: {exact: /tea}}], directResponse: {status: 418, body: {string: short and stout}}}
- {match: [{uri: {prefix: /api/}}], rewrite: {uri: /v2/, authority: inner.local}, route: [{destination: {host: a}}]}
- {match: [{uri: {prefix: /re/}}], rewrite: {uriRegexRewrite: {match: '^/re/([a-z]+)/(.*)$', rewrite: '/\\2/\\1'}}, route: [{destination: {host: a}}]}
- match: [{uri: {prefix: /headers}}]
  headers: {request: {set: {x-set: rule}, add: {x-add: rule}, remove: [x-secret]}, response: {set: {x-answer: rule}}}
  route: [{destination: {host: a}, headers: {response: {add: {x-answer: own}}}}]
- {match: [{uri: {prefix: /nobody}}], route: [{destination: {host: nobody}}]}
- {match: [{uri: {prefix: /subset}}], route: [{destination: {host: a, subset: none}}]}
"""


@pytest.fixture
def acting(lab: Tier2) -> Tier2:
    lab.apply(*lab.service("a", "a"), mesh.virtual_service(rules(ACTIONS)))
    return lab


@pytest.mark.parametrize(
    ("path", "status", "location"),
    [
        ("/moved", 308, "http://new.example.org/there"),
        ("/pre/x?y=1", 301, "https://web.example.org:8443/post/x?y=1"),
        ("/tea", 418, None),
        ("/nobody", 503, None),
        ("/subset", 503, None),
    ],
)
def test_what_is_not_forwarded(acting: Tier2, path: str, status: int, location: str | None) -> None:
    response = acting.get(path)
    assert (response.status, response.headers.get("location")) == (status, location)


@pytest.mark.parametrize(
    ("path", "arrives", "host"),
    [
        ("/api/models?x=1", "/v2/models?x=1", "inner.local"),
        ("/re/abc/rest", "/rest/abc", "web.example.org"),
        ("/headers", "/headers", "web.example.org"),
    ],
)
def test_what_is_rewritten(acting: Tier2, path: str, arrives: str, host: str) -> None:
    got = acting.body(acting.get(path))
    assert (got["path"], got["host"]) == (arrives, host)


def test_headers_of_rule_and_destination(acting: Tier2) -> None:
    response = acting.get("/headers", x_set="client", x_add="client", x_secret="s")
    got = {name.lower(): value for name, value in acting.body(response)["headers"].items()}
    assert (got["x-set"], "x-secret" in got) == ("rule", False)
    assert response.headers.getall("x-answer") == ["rule", "own"]


@pytest.mark.parametrize("weights", [(90, 10), (50, 50), (80, 15, 5), (1, 3), (0, 7)])
def test_weights_over_subsets(lab: Tier2, weights: tuple[int, ...]) -> None:
    pods = ("v1", "v2", "v3")[: len(weights)]
    lab.apply(*lab.service("web", *pods), *split(*weights))
    assert_split(lab.counts(REQUESTS, *pods), weights)


USERS = 100
PODS = ("v1-a", "v1-b", "v2-a", "v2-b")


def versions(lab: Tier2) -> list[Object]:
    """One Service with Pods of two versions."""
    return lab.service("web", *PODS)


@pytest.mark.parametrize("algorithm", [{}, {"ringHash": {"minimumRingSize": 64}}, {"maglev": {"tableSize": 1009}}])
def test_a_user_header_keeps_each_user_on_one_pod(lab: Tier2, algorithm: dict[str, Any]) -> None:
    hashed = {"loadBalancer": {"consistentHash": {"httpHeaderName": "x-user", **algorithm}}}
    policy = mesh.destination_rule("web", trafficPolicy=hashed)
    lab.apply(*versions(lab), mesh.virtual_service([to("web")]), policy)
    seen: dict[str, set[str]] = {}
    for number, pod in enumerate(lab.many(REQUESTS, lambda number: {"x-user": f"user-{number % USERS}"})):
        seen.setdefault(f"user-{number % USERS}", set()).add(pod)
    assert {user: pods for user, pods in seen.items() if len(pods) > 1} == {}
    assert set.union(*seen.values()) == set(PODS), "users are on all of them"
    lab.apply(*versions(lab), mesh.virtual_service([{"timeout": "9s", **to("web")}]), policy)
    again = lab.many(USERS, lambda number: {"x-user": f"user-{number}"})
    assert all(seen[f"user-{number}"] == {pod} for number, pod in enumerate(again)), (
        "a change of the route moves nobody"
    )


def test_a_cookie_that_the_gateway_sets_keeps_each_user_on_one_pod(lab: Tier2) -> None:
    hashed = {"loadBalancer": {"consistentHash": {"httpCookie": {"name": "experiment", "path": "/", "ttl": "1h"}}}}
    lab.apply(*versions(lab), mesh.virtual_service([to("web")]), mesh.destination_rule("web", trafficPolicy=hashed))
    pods = set()
    for _ in range(20):
        first = lab.get()
        (cookie,) = first.cookies.values()
        assert (cookie.key, cookie["max-age"], cookie["path"]) == ("experiment", "3600", "/")
        pod = lab.body(first)["pod"]
        pods.add(pod)
        later = lab.many(50, lambda _, sent=f"experiment={cookie.value}": {"Cookie": sent})
        assert set(later) == {pod}
        assert not lab.get(Cookie=f"experiment={cookie.value}").cookies
    assert len(pods) > 1


@pytest.mark.parametrize(
    "behaviour", [{}, {"held": True}, {"status": 500}, None], ids=["well", "slow", "failing", "down"]
)
def test_a_mirror_never_affects_the_client(lab: Tier2, behaviour: dict[str, Any] | None) -> None:
    live = lab.backend("live")
    shadow = lab.backend("shadow", **(behaviour or {}))
    objects = [*lab.service("web", "live"), *lab.service("shadow", "shadow")]
    if behaviour is None:
        objects[-1]["ports"][0]["port"] = 1  # where nobody listens
    lab.apply(*objects, mesh.virtual_service([{**to("web"), "mirror": {"host": "shadow"}}]))
    assert set(lab.many(200)) == {"live"} and len(live.seen) == 200
    if behaviour is not None:
        until(lambda: len(shadow.seen) == 200)
        assert {told["host"] for told in shadow.seen} == {"web.example.org"}
    shadow.held = False


def test_a_share_is_mirrored_to_each_of_several(lab: Tier2) -> None:
    lab.backend("live")
    some, all_of_them = lab.backend("shadow"), lab.backend("shadow-2")
    mirrors = [{"destination": {"host": "some"}, "percentage": {"value": 10}}, {"destination": {"host": "all"}}]
    services = [*lab.service("web", "live"), *lab.service("some", "shadow"), *lab.service("all", "shadow-2")]
    lab.apply(*services, mesh.virtual_service([{**to("web"), "mirrors": mirrors}]))
    assert set(lab.many(REQUESTS)) == {"live"}
    until(lambda: len(all_of_them.seen) == REQUESTS)
    assert_split([len(some.seen), REQUESTS - len(some.seen)], [10, 90])


# Whoever is passed over is another Pod's turn: with a random choice the same one could come up again and again.
IN_TURN = mesh.destination_rule("web", trafficPolicy={"loadBalancer": {"simple": "ROUND_ROBIN"}})


def until(holds: Any) -> None:
    deadline = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_retries_go_to_another_pod_and_no_further_than_asked(lab: Tier2) -> None:
    bad, good = lab.backend("bad", status=503), lab.backend("good")
    services = lab.service("web", "bad", "good")
    for retries, statuses in (({"attempts": 3, "retryOn": "503"}, {200}), ({"attempts": 0}, {200, 503})):
        lab.apply(*services, mesh.virtual_service([{**to("web"), "retries": retries}]), IN_TURN)
        found = lab.many(100)
        assert {200 if pod == "good" else pod for pod in found} == statuses
    assert bad.seen and good.seen


def test_by_default_a_refused_connection_is_retried_and_an_answer_never(lab: Tier2) -> None:
    lab.backend("good")
    services = lab.service("web", "good", "gone")
    services[-1]["ports"][0]["port"] = 1
    lab.apply(*services, mesh.virtual_service([to("web")]), IN_TURN)
    assert set(lab.many(50)) == {"good"}
    failing = lab.backend("bad", status=503)
    lab.apply(*lab.service("web", "bad"), mesh.virtual_service([to("web")]))
    assert lab.pod() == 503 and len(failing.seen) == 1


def test_a_timeout_is_504(lab: Tier2) -> None:
    slow = lab.backend("slow", held=True)
    lab.apply(*lab.service("web", "slow"), mesh.virtual_service([{**to("web"), "timeout": "50ms"}]))
    assert lab.pod() == 504
    slow.held = False


def test_faults(lab: Tier2) -> None:
    lab.backend("live")
    abort = {"httpStatus": 418, "percentage": {"value": 20}}
    rule = {**to("web"), "fault": {"abort": abort, "delay": {"fixedDelay": "1ms", "percentage": {"value": 100}}}}
    lab.apply(*lab.service("web", "live"), mesh.virtual_service([rule]))
    found = lab.many(REQUESTS)
    assert_split([found.count(418), found.count("live")], [20, 80])


def test_cors(lab: Tier2) -> None:
    live = lab.backend("live")
    policy = {
        "allowOrigins": [{"exact": "https://app.org"}],
        "allowMethods": ["GET"],
        "allowHeaders": ["x-a"],
        "maxAge": "1h",
    }
    lab.apply(*lab.service("web", "live"), mesh.virtual_service([{**to("web"), "corsPolicy": policy}]))
    asked = {"Access_Control_Request_Method": "GET"}
    allowed = lab.get(method="OPTIONS", Origin="https://app.org", **asked)
    assert (allowed.status, live.seen) == (200, [])
    names = ("origin", "methods", "headers")
    assert [allowed.headers[f"access-control-allow-{name}"] for name in names] == ["https://app.org", "GET", "x-a"]
    assert allowed.headers["access-control-max-age"] == "3600"
    assert "access-control-allow-origin" not in lab.get(Origin="https://evil.org").headers


def test_a_pod_that_fails_is_left_out(lab: Tier2) -> None:
    bad = lab.backend("bad", status=500)
    lab.backend("good")
    outliers = {"consecutive5xxErrors": 3, "interval": "60s", "baseEjectionTime": "60s", "maxEjectionPercent": 50}
    policy = {"loadBalancer": {"simple": "ROUND_ROBIN"}, "outlierDetection": outliers}
    rule = mesh.destination_rule("web", trafficPolicy=policy)
    lab.apply(
        *lab.service("web", "bad", "good"), mesh.virtual_service([{**to("web"), "retries": {"attempts": 0}}]), rule
    )
    found = [lab.pod() for _ in range(40)]
    assert len(bad.seen) == 3 and set(found[10:]) == {"good"}


def test_what_is_over_the_limit_is_503_at_once(lab: Tier2) -> None:
    full = lab.backend("full", held=True)
    pool = {"tcp": {"maxConnections": 1}, "http": {"http1MaxPendingRequests": 1}}
    rule = mesh.destination_rule("web", trafficPolicy={"connectionPool": pool})
    lab.apply(*lab.service("web", "full"), mesh.virtual_service([{**to("web"), "retries": {"attempts": 0}}]), rule)
    sent = lab.start(1)
    until(lambda: full.seen)  # a request whose connection does not stand yet counts as one that waits
    sent += lab.start(9)
    until(lambda: sum(one.done() for one in sent) == 8)
    assert {one.result().status for one in sent if one.done()} == {503}
    full.held = False
    assert sorted(one.result(10).status for one in sent) == [200] * 2 + [503] * 8


def test_a_tenants_claim_on_anothers_host_changes_nothing_for_it(lab: Tier2) -> None:
    lab.backend("theirs")
    services = [*lab.service("web", "live"), *lab.service("web", "theirs", namespace="rival")]
    own = mesh.virtual_service([to("web")], hosts=["iris.shop.example.com", "web.example.org"], at=5)
    grab = mesh.virtual_service([to("web")], "grab", "rival", hosts=["iris.shop.example.com"], at=0)
    every = mesh.virtual_service([to("web")], "every", "rival", hosts=["*"], at=0)
    wide = mesh.destination_rule(
        "*.shop.svc.cluster.local", namespace="rival", trafficPolicy={"loadBalancer": {"simple": "RANDOM"}}
    )
    spaces = [mesh.namespace("shop"), mesh.namespace("rival")]
    made = lab.apply(*spaces, *services, own, grab, every, wide)
    assert made.snapshot.clusters["outbound|80||web.shop.svc.cluster.local"]["lb_policy"] == "LEAST_REQUEST"
    hosts = ("iris.shop.example.com", "web.example.org", "other.example.org", "gone.shop.example.com")
    assert [lab.pod(host=host) for host in hosts] == ["live", "live", "theirs", 404]
