"""Who is asked elsewhere before a request passes a real Envoy, over HTTP and gRPC, and what when nobody answers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from iiab_lab.engines.embedded.objects.meta import Object

from ..processes.test_proxy import free_port
from . import askers, mesh
from .edge_policy import CLAIMS, SERVICE, A, apply, ask, jwt, lab, policy, provider, status, verdict
from .gateway import grant, route, to
from .tier_1 import Tier1

__all__ = ["lab"]


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
