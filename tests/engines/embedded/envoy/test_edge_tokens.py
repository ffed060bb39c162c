"""Tokens before a real Envoy: whose pass, by which keys and rules, and what of their claims the backend is told."""

from __future__ import annotations

import socket
from http.client import HTTPConnection
from typing import Any

import pytest

from iiab_lab.engines.embedded.objects.meta import Object

from ..processes.test_proxy import free_port
from . import askers, mesh
from .edge_policy import CLAIMS, A, B, allow, apply, ask, bearer, jwt, lab, policy, provider, status
from .gateway import route, to
from .tier_1 import Tier1

__all__ = ["lab"]


def stripped(token: str) -> str:
    return token.rpartition(".")[0] + "."


TOKENS = [
    ("", 401),
    ("garbage", 401),
    (A.token(), 200),
    (A.token(key=1), 200),
    (A.token(iss="https://b.example"), 401),
    (B.token(), 401),
    (B.token(iss="https://a.example"), 401),
    (B.token(iss="https://a.example", header={"kid": "a.example-1"}), 401),
    (A.token(aud="others"), 403),
    (A.token(exp=None), 401),
    (A.token(exp=1), 401),
    (stripped(A.token()), 401),
    (A.token(header={"crit": ["x"], "x": True}), 403),
    (A.token(header={"crit": ["b64"], "b64": True}), 403),
    (A.token(header={"crit": []}), 403),
    (A.token(header={"crit": "x"}), 403),
]


def test_whose_tokens_pass(lab: Tier1) -> None:
    apply(lab, jwt=jwt(provider(A)))
    found = [(token, status(lab, token)) for token, _ in TOKENS]
    assert found == TOKENS
    assert [status(lab, token) for token, _ in TOKENS] == [code for _, code in TOKENS], "a remembered token is no other"


def test_no_rule_lets_a_token_pass_that_asks_to_be_understood_otherwise(lab: Tier1) -> None:
    apply(lab, jwt=jwt(provider(A)), authorization={"defaultAction": "Allow"})
    assert (status(lab, A.token()), status(lab, A.token(header={"crit": ["x"], "x": 1}))) == (200, 403)


@pytest.mark.parametrize(
    ("places", "passing", "refused"),
    [
        (None, [bearer(A.token())], [{"path": f"/?access_token={A.token()}"}, {"x-token": A.token()}]),
        (
            {"headers": [{"name": "x-token", "valuePrefix": "T "}]},
            [{"x-token": f"T {A.token()}"}],
            [bearer(A.token()), {"x-token": A.token()}, {"path": f"/?access_token={A.token()}"}],
        ),
        ({"headers": [{"name": "x-token"}]}, [{"x-token": A.token()}], [bearer(A.token())]),
        ({"cookies": ["t"]}, [{"Cookie": f"t={A.token()}"}], [bearer(A.token()), {"Cookie": f"u={A.token()}"}]),
        ({"params": ["t"]}, [{"path": f"/?t={A.token()}"}], [bearer(A.token()), {"path": f"/?u={A.token()}"}]),
    ],
)
def test_where_a_token_stands(lab: Tier1, places: Any, passing: list[Any], refused: list[Any]) -> None:
    apply(lab, jwt=jwt(provider(A, **({"extractFrom": places} if places else {}))))
    assert [ask(lab, **sent).status for sent in [*passing, *refused]] == [200] * len(passing) + [401] * len(refused)


@pytest.mark.parametrize(
    ("more", "codes"),
    [({}, (401, 401, 200)), ({"optional": True}, (200, 401, 200)), ({"failOpen": True}, (200, 200, 200))],
)
def test_whether_a_token_is_asked_for(lab: Tier1, more: Object, codes: tuple[int, ...]) -> None:
    apply(lab, jwt=jwt(provider(A), **more))
    assert tuple(status(lab, token) for token in ("", B.token(), A.token())) == codes


def test_during_a_rotation_both_keys_pass_and_after_it_the_new_alone(lab: Tier1) -> None:
    codes = []
    for keys in ((1,), (1, 2), (2,)):
        apply(lab, jwt=jwt(provider(A, *keys)))
        codes.append([status(lab, A.token(key=key)) for key in (1, 2)])
    assert codes == [[200, 401], [200, 200], [401, 200]]


# Headers


@pytest.mark.parametrize(
    ("token", "told"),
    [("", {}), (A.token(), {"x-sub": ["bob"]}), (B.token(), {"x-other": ["bob"]})],
)
def test_nobody_else_writes_what_claims_are_copied_to(lab: Tier1, token: str, told: Any) -> None:
    """Neither without a token, nor in the header of the issuer whose token it is not."""
    other = [{"claim": "sub", "header": "X-Other"}]
    providers = provider(A, claimToHeaders=CLAIMS), provider(B, claimToHeaders=other)
    apply(lab, jwt=jwt(*providers, optional=True))
    assert status(lab, token, **{"x-sub": "mallory", "X-Other": "mallory", "x-free": "x"}) == 200
    named = {name: lab.backends["v1"].values(name) for name in ("x-sub", "x-other", "x-free")}
    assert {name: values for name, values in named.items() if values} == {**told, "x-free": ["x"]}


def test_what_the_gateway_does_to_headers_leaves_the_claims_alone(lab: Tier1) -> None:
    """Both are filters of one kind, and each has what is its own."""
    target = {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "edge"}
    headers = {
        "earlyRequestHeaders": {"remove": ["x-sub"]},
        "lateResponseHeaders": {"remove": ["server"], "set": [{"name": "x-late", "value": "yes"}]},
    }
    clients = {
        "apiVersion": "gateway.envoyproxy.io/v1alpha1",
        "kind": "ClientTrafficPolicy",
        "metadata": {"name": "clients", "namespace": "gateways"},
        "spec": {"targetRefs": [target], "headers": headers},
    }
    apply(lab, clients, jwt=jwt(provider(A, claimToHeaders=CLAIMS)))
    answer = ask(lab, **bearer(A.token()), **{"x-sub": "mallory"})
    assert (answer.status, answer.headers["x-late"]) == (200, "yes") and "server" not in answer.headers
    assert lab.backends["v1"].values("x-sub") == ["bob"]


def test_a_route_is_chosen_anew_by_a_claim(lab: Tier1) -> None:
    for name in ("v1", "v2"):
        lab.backend(name)
    rules = [
        {"matches": [{"headers": [{"name": "x-sub", "value": "bob"}]}], "backendRefs": to("v2")},
        {"backendRefs": to("v1")},
    ]
    services = [obj for name in ("v1", "v2") for obj in lab.service(name, name)]
    found = {}
    for recomputed in (False, True):
        own = provider(A, claimToHeaders=CLAIMS, recomputeRoute=recomputed)
        lab.apply(*services, route(rules), policy(jwt=jwt(own)))
        found[recomputed] = lab.pod(Connection="close", **bearer(A.token()))
    assert found == {False: "v1", True: "v2"}


# Rules


def test_each_issuer_speaks_for_itself(lab: Tier1) -> None:
    """The claim of one is nothing to a rule about the other."""
    rule = {"principal": {"jwt": {"provider": "a", "claims": [{"name": "tenant", "values": ["a"]}]}}}
    apply(lab, jwt=jwt(provider(A), provider(B)), authorization=allow(**rule))
    assert [status(lab, one.token(tenant="a")) for one in (A, B)] == [200, 403]


@pytest.mark.parametrize(
    ("rule", "cases"),
    [
        (
            {"principal": {"jwt": {"provider": "a", "scopes": ["infer", "read"]}}},
            [
                (A.token(scope="read infer x"), "/", "GET", 200),
                (A.token(scp="read infer"), "/", "GET", 200),
                (A.token(scope="infer", scp="read"), "/", "GET", 200),
                (A.token(scope="infer"), "/", "GET", 403),
                (A.token(scope="inference read"), "/", "GET", 403),
            ],
        ),
        (
            {"principal": {"clientCIDRs": ["127.0.0.0/8"]}, "operation": {"methods": ["GET", "PUT"]}},
            [(A.token(), "/", "GET", 200), (A.token(), "/", "PUT", 200), (A.token(), "/", "POST", 403)],
        ),
        ({"principal": {"clientCIDRs": ["10.0.0.0/8", "2001:db8::/32"]}}, [(A.token(), "/", "GET", 403)]),
        (
            {"principal": {"clientCIDRs": ["127.0.0.1/32"]}, "operation": {"path": {"value": "/a/b"}}},
            [
                (A.token(), path, "GET", code)
                for code, paths in ((200, "/a/b /a/b/ /a/b/c /a/b?x"), (403, "/a/bc /a /x/a/b"))
                for path in paths.split()
            ],
        ),
        (
            {
                "principal": {"clientCIDRs": ["127.0.0.1/32"]},
                "operation": {"path": {"type": "Exact", "value": "/a.b", "invert": True}},
            },
            [(A.token(), path, "GET", code) for path, code in [("/a.b", 403), ("/a.b?x", 403), ("/axb", 200)]],
        ),
    ],
)
def test_rules(lab: Tier1, rule: Object, cases: list[tuple[str, str, str, int]]) -> None:
    apply(lab, jwt=jwt(provider(A)), authorization=allow(**rule))
    found = [(token, path, method, status(lab, token, path, method)) for token, path, method, _ in cases]
    assert found == cases


def test_a_rule_about_headers_and_a_pattern(lab: Tier1) -> None:
    rule = {
        "principal": {"headers": [{"name": "X-Who", "values": ["me", "you"]}]},
        "operation": {"path": {"type": "RegularExpression", "value": "/[ab]"}},
    }
    apply(lab, authorization=allow(**rule))
    sent = [("/a", "me"), ("/b", "you"), ("/c", "me"), ("/ab", "me"), ("/a", "he")]
    assert [status(lab, "", path, **{"x-who": who}) for path, who in sent] == [200, 200, 403, 403, 403]


# Keys from elsewhere

KEYS = "http://keys.shop.svc.cluster.local/jwks.json"


def keys_at(port: int) -> list[Object]:
    return mesh.service("keys", {"keys": port})


def test_keys_of_a_service_outlive_it(lab: Tier1) -> None:
    """Once they are there, nobody is asked in the path of a request, and an outage refuses no good token."""
    port, remote = free_port(), {"remoteJWKS": {"uri": KEYS, "cacheDuration": "1s"}}
    with askers.over_http(port, lambda _: (200, {}, A.jwks(1))) as server:
        apply(lab, *keys_at(port), jwt=jwt(provider(A, **remote)))
        assert [status(lab, token) for token in (A.token(key=1), B.token())] == [200, 401]
        assert server.seen[0].path == "/jwks.json" and server.seen[0].headers["host"] == "keys.shop.svc.cluster.local"
        asked = len(server.seen)
        lab.until(lambda: len(server.seen) > asked + 1)  # it asks again by itself; whoever asks next had its answer
    assert [status(lab, A.token(key=1)) for _ in range(20)] == [200] * 20


def test_a_new_key_of_a_service_is_fetched_before_it_is_needed(lab: Tier1) -> None:
    port, published = free_port(), [A.jwks(1)]
    remote = {
        "remoteJWKS": {
            "uri": "http://elsewhere/x",
            "cacheDuration": "1s",
            "backendRefs": [{"name": "keys", "port": 80}],
        }
    }
    with askers.over_http(port, lambda _: (200, {}, published[0])) as server:
        apply(lab, *keys_at(port), jwt=jwt(provider(A, **remote)))
        assert [status(lab, A.token(key=key)) for key in (1, 2)] == [200, 401]
        published[0], asked = A.jwks(), len(server.seen)
        lab.until(lambda: len(server.seen) > asked + 1)
        assert [status(lab, A.token(key=key)) for key in (1, 2)] == [200, 200]


def test_who_is_asked_for_keys_and_never_answers_holds_up_nobody_else(lab: Tier1) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        theirs = provider(A, remoteJWKS={"uri": KEYS})
        apply(lab, *keys_at(silent.getsockname()[1]), jwt=jwt(provider(B, claimToHeaders=CLAIMS), theirs))
        assert status(lab, B.token()) == 200 and lab.backends["v1"].values("x-sub") == ["bob"]


def test_a_connection_from_before_a_policy_knows_whose_tokens_it_takes(lab: Tier1) -> None:
    """Its listener's filters are of before, its routes of now."""
    apply(lab, jwt=jwt(provider(A)))
    open_ = HTTPConnection("127.0.0.1", lab.port)
    assert answered(open_, "/", A.token()) == 200
    own = policy(jwt=jwt(provider(B)))
    own["metadata"]["name"] = own["spec"]["targetRefs"][0]["name"] = "new"
    match = [{"path": {"type": "PathPrefix", "value": "/new"}}]
    web = route([{"backendRefs": to("v1")}])
    lab.apply(
        *lab.service("v1", "v1"),
        web,
        route([{"matches": match, "backendRefs": to("v1")}], name="new"),
        policy(jwt=jwt(provider(A))),
        own,
    )
    codes = [
        answered(open_, path, token) for path, token in (("/new", B.token()), ("/new", A.token()), ("/", A.token()))
    ]
    assert codes == [200, 401, 200] and open_.sock is not None, "it is the connection of before"


def answered(connection: HTTPConnection, path: str, token: str) -> int:
    connection.request("GET", path, headers=bearer(token))
    answer = connection.getresponse()
    answer.read()
    return answer.status
