"""SecurityPolicies before a real Envoy: whose tokens pass, what the backend is told, who is asked elsewhere."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import aiohttp
import pytest

from iiab_lab.engines.embedded.envoy.edge import Edge
from iiab_lab.engines.embedded.objects.meta import Object

from ..processes.test_proxy import free_port
from . import askers, gateway, mesh
from .askers import Issuer
from .gateway import grant, route, to
from .tier_1 import Tier1
from .tier_2 import running_lab

A, B = Issuer("a.example", keys=2), Issuer("b.example")


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tier1]:
    with running_lab(tmp_path_factory.mktemp("tier-1"), Tier1) as made:
        yield made


def provider(issuer: Issuer, *keys: int, name: str = "", **more: Any) -> Object:
    own = {"name": name or issuer.name[0], "issuer": f"https://{issuer.name}", "audiences": ["models"]}
    return (
        own | ({} if "remoteJWKS" in more else {"localJWKS": {"type": "Inline", "inline": issuer.jwks(*keys)}}) | more
    )


def policy(namespace: str = "shop", **spec: Any) -> Object:
    target = {"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "name": "web"}
    meta = {"name": "web", "namespace": namespace}
    return {
        "apiVersion": "gateway.envoyproxy.io/v1alpha1",
        "kind": "SecurityPolicy",
        "metadata": meta,
        "spec": {"targetRefs": [target], **spec},
    }


def jwt(*providers: Object, **more: Any) -> Object:
    return {"providers": list(providers), **more}


def allow(**rule: Any) -> Object:
    return {"rules": [{"action": "Allow", **rule}]}


def apply(lab: Tier1, *others: Object, **spec: Any) -> Edge:
    lab.backend("v1")
    return lab.apply(*lab.service("v1", "v1"), route([{"backendRefs": to("v1")}]), policy(**spec), *others)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def ask(lab: Tier1, path: str = "/", method: str = "GET", **headers: str) -> aiohttp.ClientResponse:
    """On a connection of its own: those that were there before a change end with the next response, which is as before."""
    return lab.get(path, method, Connection="close", **headers)


def status(lab: Tier1, token: str = "", path: str = "/", method: str = "GET", **headers: str) -> int:
    return ask(lab, path, method, **(bearer(token) if token else {}), **headers).status


def verdict(made: Edge) -> tuple[bool, str, str]:
    (spoken,) = made.policies
    return tuple(spoken.conditions["Accepted"])  # type: ignore[return-value]


# Tokens


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


CLAIMS = [{"claim": "sub", "header": "x-sub"}]


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
        lab.until(lambda: len(server.seen) > asked)  # it asks again by itself
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


# Authorizers

SERVICE = [{"name": "authorizer", "port": 80}]


@pytest.fixture
def http(request: pytest.FixtureRequest) -> Iterator[tuple[askers.Server, list[Object]]]:
    """Allows whoever says `x-who: friend`."""

    def answer(asked: askers.Asked) -> tuple[int, dict[str, str], str]:
        if asked.headers.get("x-who") == "friend":
            return 200, {"x-told": "yes", "x-untold": "no", "x-sub": "authorizer"}, ""
        return 418, {"x-why": "unknown"}, "no friend"

    port = free_port()
    with askers.over_http(port, answer) as server:
        yield server, mesh.service("authorizer", {"authorizer": port}, namespace=getattr(request, "param", "shop"))


def over_http(**more: Any) -> Object:
    service = {name: more.pop(name) for name in ("headersToBackend", "path", "pathOverride") if name in more}
    return {"http": {"backendRefs": SERVICE, **service}, "headersToExtAuth": ["X-Who"], **more}


def test_an_authorizer_over_http_decides(lab: Tier1, http: Any) -> None:
    server, service = http
    apply(lab, *service, extAuth=over_http(headersToBackend=["X-Told"], path="/check"))
    allowed, denied = (ask(lab, p, **{"x-who": w, "x-secret": "s"}) for p, w in (("/a?b", "friend"), ("/a", "x")))
    assert (allowed.status, denied.status, denied.headers["x-why"]) == (200, 418, "unknown")
    asked = server.seen[0]
    assert (asked.method, asked.path, asked.body) == ("GET", "/check/a?b", b"") and "x-secret" not in asked.headers
    backend = lab.backends["v1"]
    assert backend.values("x-told") == ["yes"] and backend.values("x-untold") == [] and len(backend.seen) == 1


def test_the_authorizer_comes_before_the_token_and_is_not_told_what_is_the_claims(lab: Tier1, http: Any) -> None:
    server, service = http
    own = provider(A, claimToHeaders=CLAIMS)
    wanted = over_http(pathOverride="/only") | {"headersToExtAuth": ["x-who", "x-sub"]}
    apply(lab, *service, extAuth=wanted, jwt=jwt(own))
    sent = {"x-sub": "mallory"}
    codes = [status(lab, token, **{"x-who": who}, **sent) for who in ("friend", "x") for token in ("", A.token())]
    assert codes == [401, 200, 418, 418]
    assert {asked.path for asked in server.seen} == {"/only"} and all("x-sub" not in one.headers for one in server.seen)


def test_a_body_is_shown_as_far_as_asked(lab: Tier1, http: Any) -> None:
    server, service = http
    apply(lab, *service, extAuth=over_http(bodyToExtAuth={"maxRequestBytes": 8}))
    assert [lab.sent(b"x" * size, **{"x-who": "friend", "Connection": "close"}).status for size in (8, 9)] == [200, 413]
    assert [asked.body for asked in server.seen] == [b"x" * 8]


@pytest.mark.parametrize(
    ("more", "code"), [({}, 403), ({"statusOnError": 503}, 503), ({"failOpen": True}, 200)], ids=str
)
def test_when_the_authorizer_is_away(lab: Tier1, more: Object, code: int) -> None:
    apply(lab, *mesh.service("authorizer", {"authorizer": free_port()}), extAuth=over_http(timeout="1s", **more))
    assert status(lab, **{"x-who": "friend"}) == code


def test_an_authorizer_over_grpc_decides(lab: Tier1) -> None:
    port, seen = free_port(), []

    def allows(request: bytes) -> bool:
        seen.append(request)
        return b"friend" in request

    wanted = {
        "grpc": {"backendRefs": SERVICE},
        "contextExtensions": [{"name": "tenant", "type": "Value", "value": "a-1"}],
    }
    with askers.over_grpc(port, allows):
        apply(lab, *mesh.service("authorizer", {"authorizer": port}), extAuth=wanted)
        assert [status(lab, **{"x-who": who}) for who in ("friend", "x")] == [200, 403]
    assert len(seen) == 2 and b"a-1" in seen[0]


@pytest.mark.parametrize("http", ["other"], indirect=True)
@pytest.mark.parametrize("granted", [True, False])
def test_an_authorizer_of_another_namespace_has_to_consent(lab: Tier1, http: Any, granted: bool) -> None:
    _, service = http
    wanted = {"http": {"backendRefs": [{**SERVICE[0], "namespace": "other"}]}, "headersToExtAuth": ["x-who"]}
    consent = grant(from_group="gateway.envoyproxy.io", from_kind="SecurityPolicy")
    made = apply(lab, *service, *([consent] if granted else []), extAuth=wanted)
    assert status(lab, **{"x-who": "friend"}) == (200 if granted else 500)
    said = "ExtAuth: backend ref to Service other/authorizer not permitted by any ReferenceGrant."
    accepted = (True, "Accepted", "Policy has been accepted.")
    assert verdict(made) == (accepted if granted else (False, "Invalid", said))


# Conditions


def spec_of(provider_: Object) -> Object:
    return {"jwt": jwt(provider_)}


REFUSED = [
    ({"extAuth": {"http": {"backendRefs": SERVICE}}}, "ExtAuth: service shop/authorizer not found."),
    (
        {"extAuth": {"grpc": {"backendRefs": [{"name": "v1", "port": 81}]}}},
        "ExtAuth: TCP Port 81 not found on Service shop/v1.",
    ),
    (
        {"jwt": jwt(provider(A), provider(B, name="a"))},
        "JWT: provider name a must be unique.",
    ),
    (
        spec_of({"name": "a", "localJWKS": {"type": "Inline", "inline": '{"keys": []}'}}),
        "JWT: provider a: jwks parse error: none of its keys can verify a token → an RSA, EC or Ed25519 key, in public.",
    ),
    (
        spec_of({"name": "a", "localJWKS": {"type": "ValueRef", "valueRef": {"group": "", "kind": "ConfigMap", "name": "k"}}}),
        "JWT: local JWKS ConfigMap shop/k not found.",
    ),
    ({"authorization": allow(principal={"clientCIDRs": ["1.2.3.4/64"]})}, "Authorization: unable to translate authorization rule: "),
    *(
        (spec_of({"name": "a", "remoteJWKS": {"uri": uri}}), f"JWT: remoteJWKS {uri}: keys are fetched from Services of ")
        for uri in ("http://127.0.0.1/x", "https://keys.shop.svc.cluster.local/x", "http://169.254.169.254/", "file:///etc")
    ),
]  # fmt: skip


@pytest.mark.parametrize(("spec", "said"), REFUSED, ids=range(len(REFUSED)))
def test_what_cannot_be_translated_closes_its_routes_and_says_why(spec: Object, said: str) -> None:
    made = gateway.translate(*gateway.services("v1"), route([{"backendRefs": to("v1")}]), policy(**spec))
    holds, reason, message = verdict(made)
    assert (holds, reason) == (False, "Invalid") and message.startswith(said)
    ((only,),) = gateway.table(made).values()
    assert only["direct_response"] == {"status": 500} and "route" not in only


def test_where_nobody_can_be_asked_the_policy_may_say_that_requests_go_on(lab: Tier1) -> None:
    wanted = {"http": {"backendRefs": SERVICE}, "failOpen": True}
    made = apply(lab, extAuth=wanted, jwt=jwt(provider(A)))
    assert verdict(made)[:2] == (False, "Invalid")
    assert [status(lab, token) for token in ("", A.token())] == [401, 200], "what else the policy asks for stands"


def test_two_policies_have_an_authorizer_each(lab: Tier1) -> None:
    with ExitStack() as stack:
        objects = []
        for name in ("v1", "v2"):
            port = free_port()
            stack.enter_context(
                askers.over_http(
                    port, lambda asked, own=name: (200 if asked.headers.get("x-who") == own else 403, {}, "")
                )
            )
            lab.backend(name)
            match = [{"path": {"type": "PathPrefix", "value": f"/{name}"}}]
            own = policy(
                extAuth={"http": {"backendRefs": [{"name": f"for-{name}", "port": 80}]}, "headersToExtAuth": ["x-who"]}
            )
            own["metadata"]["name"] = own["spec"]["targetRefs"][0]["name"] = name
            objects += [
                *lab.service(name, name),
                *mesh.service(f"for-{name}", {f"for-{name}": port}),
                route([{"matches": match, "backendRefs": to(name)}], name=name),
                own,
            ]
        lab.apply(*objects)
        codes = {
            (path, who): status(lab, path=f"/{path}", **{"x-who": who}) for path in ("v1", "v2") for who in ("v1", "v2")
        }
    assert codes == {("v1", "v1"): 200, ("v1", "v2"): 403, ("v2", "v1"): 403, ("v2", "v2"): 200}
