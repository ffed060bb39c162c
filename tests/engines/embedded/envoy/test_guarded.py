"""A real Envoy before an application: tokens, keys that it fetches itself, a service that it asks, who may connect at all."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from iiab_lab.engines.embedded.reconcile.ports import Applied

from .guarded import ISSUER, POD_YAML, Guarded, Objects, exchange, guarded, jwks, token

FRIEND, STRANGER = "cluster.local/ns/shop/sa/friend", "cluster.local/ns/other/sa/stranger"
Play = Callable[[Guarded], Coroutine[Any, Any, None]]

SERVICE = """
apiVersion: v1
kind: Service
metadata: {name: aide, namespace: help}
spec: {selector: {app: aide}, ports: [{name: http, port: 80}]}
---
apiVersion: v1
kind: Pod
metadata: {name: aide-pod, namespace: help, labels: {app: aide}}
spec: {serviceAccountName: aide, containers: [{name: main, image: x, ports: [{containerPort: 80}]}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: aide-1, namespace: help, labels: {kubernetes.io/service-name: aide}}
addressType: IPv4
ports: [{name: http, port: %d}]
endpoints: [{addresses: [127.0.0.1], conditions: {ready: true}, targetRef: {kind: Pod, name: aide-pod, namespace: help}}]
"""


def with_envoy(play: Play) -> Callable[[Path], None]:
    def test(tmp_path: Path) -> None:
        async def run(folder: Path) -> None:
            async with guarded(tmp_path, folder) as envoy:
                await play(envoy)

        with tempfile.TemporaryDirectory(prefix="iiab-t-", dir="/tmp") as folder:
            asyncio.run(run(Path(folder)))

    test.__name__ = play.__name__
    return test


def tokens(**rule: Any) -> dict[str, Any]:
    meta = {"name": "tokens", "namespace": "shop"}
    rule = {"issuer": ISSUER, **({} if "jwksUri" in rule else {"jwks": jwks()}), **rule}
    return {
        "apiVersion": "security.istio.io/v1",
        "kind": "RequestAuthentication",
        "metadata": meta,
        "spec": {"jwtRules": [rule]},
    }


def policy(action: str, *rules: Any, name: str = "policy", **more: Any) -> dict[str, Any]:
    return {
        "apiVersion": "security.istio.io/v1",
        "kind": "AuthorizationPolicy",
        "metadata": {"name": name, "namespace": "shop", **more.pop("metadata", {})},
        "spec": {"action": action, "rules": list(rules), **more},
    }


def peer(mode: str, namespace: str = "istio-system") -> dict[str, Any]:
    return {
        "apiVersion": "security.istio.io/v1",
        "kind": "PeerAuthentication",
        "metadata": {"name": "default", "namespace": namespace},
        "spec": {"mtls": {"mode": mode}},
    }


async def put(envoy: Guarded, *objects: Any, service: int = 0) -> None:
    world = Objects(POD_YAML, *([SERVICE % service] if service else []))
    for one in objects:
        world.add(one)
    assert await envoy.apply(world) == Applied()


def bearer(**claims: Any) -> dict[str, str]:
    return {"Authorization": f"Bearer {token(**claims)}"}


@contextlib.asynccontextmanager
async def server(answer: Callable[[str, dict[str, str]], bytes]) -> AsyncIterator[int]:
    """`answer`: path and headers of a request → the whole response."""

    writers = []

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines if line)}
                await reader.readexactly(int(headers.get("content-length", 0)))
                writer.write(answer(first.split(" ")[1], headers))
        writer.close()

    listening = await asyncio.start_server(one, "127.0.0.1", 0)
    try:
        yield listening.sockets[0].getsockname()[1]
    finally:
        listening.close()
        for writer in writers:
            writer.close()


def ok(body: str = "", *headers: str, status: str = "200 OK") -> bytes:
    lines = [f"HTTP/1.1 {status}", f"content-length: {len(body)}", *headers, "", body]
    return "\r\n".join(lines).encode()


@with_envoy
async def test_a_good_token_passes_a_bad_one_is_401_and_none_passes(envoy: Guarded) -> None:
    await put(envoy, tokens(audiences=["models"]))
    good = bearer(aud="models")
    assert (await envoy.ask(FRIEND, headers=good)).status == 200
    assert (await envoy.ask(FRIEND)).status == 200
    forged = f"{token(aud='models').rpartition('.')[0]}.{'A' * 342}"
    assert (await envoy.ask(FRIEND, headers=bearer(aud="other"))).status == 403  # as Envoy has it
    bad = [bearer(aud="models", exp=1), bearer(aud="models", iss="https://else")]
    for headers in [*bad, {"Authorization": f"Bearer {forged}"}, {"Authorization": "Bearer x.y.z"}]:
        assert (await envoy.ask(FRIEND, headers=headers)).status == 401, headers
    assert "authorization" not in (await envoy.ask(FRIEND, headers=good)).seen
    await put(envoy, tokens(forwardOriginalToken=True))
    assert (await envoy.ask(FRIEND, headers=good)).seen["authorization"] == good["Authorization"]


@with_envoy
async def test_a_token_is_found_where_the_rule_says(envoy: Guarded) -> None:
    await put(
        envoy,
        tokens(fromHeaders=[{"name": "x-token", "prefix": "Token "}], fromParams=["t"], fromCookies=["c"]),
        policy("ALLOW", {"from": [{"source": {"requestPrincipals": [f"{ISSUER}/ann"]}}]}),
    )
    shown = token()
    assert (await envoy.ask(FRIEND, headers={"x-token": f"Token {shown}"})).status == 200
    assert (await envoy.ask(FRIEND, path=f"/?t={shown}")).status == 200
    assert (await envoy.ask(FRIEND, headers={"Cookie": f"c={shown}"})).status == 200
    assert (await envoy.ask(FRIEND, headers={"Authorization": f"Bearer {shown}"})).status == 403


@with_envoy
async def test_claims_reach_the_application_and_a_clients_own_copies_never_do(envoy: Guarded) -> None:
    headers = [{"header": "x-tenant", "claim": "tenant"}, {"header": "x-country", "claim": "address.country"}]
    await put(envoy, tokens(outputClaimToHeaders=headers, outputPayloadToHeader="x-payload"))
    spoofed = {"x-tenant": "root", "X-Country": "xx", "x-payload": "e30"}
    seen = (await envoy.ask(FRIEND, headers=spoofed | bearer(tenant="a", address={"country": "de"}))).seen
    assert (seen["x-tenant"], seen["x-country"]) == ("a", "de") and seen["x-payload"] != "e30"
    for headers_sent in (spoofed, spoofed | bearer(tenant=None)):
        seen = (await envoy.ask(FRIEND, headers=headers_sent)).seen
        assert "x-tenant" not in seen and "x-country" not in seen and seen.get("x-payload") != "e30"


@with_envoy
async def test_two_issuers_stand_side_by_side(envoy: Guarded) -> None:
    second = tokens(issuer="https://second")
    second["metadata"]["name"] = "second"
    allow = policy("ALLOW", {"from": [{"source": {"requestPrincipals": ["https://second/*"]}}]})
    await put(envoy, tokens(), second, allow)
    assert (await envoy.ask(FRIEND, headers=bearer(iss="https://second"))).status == 200
    assert (await envoy.ask(FRIEND, headers=bearer())).status == 403
    assert (await envoy.ask(FRIEND, headers=bearer(iss="https://third"))).status == 401


@with_envoy
async def test_the_proxy_fetches_keys_from_a_service_and_nothing_passes_without_them(envoy: Guarded) -> None:
    asked: list[str] = []

    def keys(path: str, headers: dict[str, str]) -> bytes:
        asked.append(f"{headers['host']}{path}")
        return ok(jwks())

    host = "aide.help.svc.cluster.local"
    async with server(keys) as port:
        await put(envoy, tokens(jwksUri=f"http://{host}/keys.json"), service=port)
        for _ in range(3):
            assert (await envoy.ask(FRIEND, headers=bearer())).status == 200
        assert asked == [f"{host}/keys.json"]  # once
    gone = tokens(jwksUri="http://nowhere.help.svc.cluster.local/keys.json")
    await put(envoy, gone, service=port)
    assert (await envoy.ask(FRIEND, headers=bearer())).status == 401
    assert (await envoy.ask(FRIEND)).status == 200


CUSTOM = policy("CUSTOM", {"to": [{"operation": {"paths": ["/asked*"]}}]}, provider={"name": "aide"})
MESH = """
extensionProviders:
- name: aide
  envoyExtAuthzHttp:
    service: aide.help.svc.cluster.local
    port: 80
    timeout: 2s
    pathPrefix: /check
    includeRequestHeadersInCheck: [x-badge]
    headersToUpstreamOnAllow: [x-name]
    headersToDownstreamOnDeny: [x-reason]
"""


def mesh(text: str) -> dict[str, Any]:
    meta = {"name": "istio", "namespace": "istio-system"}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"mesh": text}}


@with_envoy
async def test_custom_asks_its_provider_of_what_it_matches(envoy: Guarded) -> None:
    def judge(path: str, headers: dict[str, str]) -> bytes:
        assert path.startswith("/check/asked"), path
        return (
            ok("", "x-name: ann") if headers.get("x-badge") == "1" else ok("", "x-reason: no", status="403 Forbidden")
        )

    async with server(judge) as port:
        await put(envoy, CUSTOM, mesh(MESH), service=port)
        answer = await envoy.ask(FRIEND, path="/asked/x", headers={"x-badge": "1", "x-name": "root"})
        assert (answer.status, answer.seen["x-name"]) == (200, "ann")
        refused = await envoy.ask(FRIEND, path="/asked/x", headers={"x-request-id": "refused"})
        assert (refused.status, refused.headers.get("x-reason")) == (403, "no")
        assert (await envoy.line("refused"))["details"] == "ext_authz_denied"
        assert (await envoy.ask(FRIEND, path="/free")).status == 200
    assert (await envoy.ask(FRIEND, path="/asked", headers={"x-badge": "1"})).status == 403  # nobody to ask
    await put(envoy, CUSTOM, mesh(MESH + "    failOpen: true\n"), service=port)
    assert (await envoy.ask(FRIEND, path="/asked")).status == 200


@with_envoy
async def test_custom_without_its_provider_closes_and_comes_before_deny_and_allow(envoy: Guarded) -> None:
    allow, deny = policy("ALLOW", {}, name="all"), policy("DENY", {}, name="none")
    await put(envoy, CUSTOM, allow)
    assert (await envoy.ask(FRIEND, path="/asked", headers={"x-request-id": "bad"})).status == 403
    wanted = "istio-ext-authz-aide-ns[shop]-policy[policy]-rule[0]-deny-due-to-bad-CUSTOM-action"
    assert (await envoy.line("bad"))["details"] == f"rbac_access_denied_matched_policy[{wanted}]"
    assert (await envoy.ask(FRIEND, path="/free")).status == 200
    async with server(lambda *_: ok()) as port:
        await put(envoy, CUSTOM, allow, deny, mesh(MESH), service=port)
        assert (await envoy.ask(FRIEND, path="/asked", headers={"x-request-id": "both"})).status == 403
        assert "policy[none]-rule[0]" in (await envoy.line("both"))["details"]


@with_envoy
async def test_the_log_names_the_policy_and_what_is_only_told(envoy: Guarded) -> None:
    gets = {"to": [{"operation": {"methods": ["GET"]}}]}
    tried = {"annotations": {"istio.io/dry-run": "true"}}
    await put(
        envoy,
        policy("DENY", {"to": [{"operation": {"paths": ["/no"]}}]}, name="deny"),
        policy("ALLOW", {"from": [{"source": {"namespaces": ["shop"]}}]}, name="allow"),
        policy("AUDIT", {}, name="audit"),
        policy("DENY", gets, name="tried", metadata=tried),
    )
    cases = {"denied": (FRIEND, "/no"), "nobody": (STRANGER, "/"), "fine": (FRIEND, "/")}
    for name, (who, path) in cases.items():
        await envoy.ask(who, path=path, headers={"x-request-id": name})
    lines = {name: await envoy.line(name) for name in cases}
    assert {name: (line["code"], line["details"]) for name, line in lines.items()} == {
        "denied": (403, "rbac_access_denied_matched_policy[ns[shop]-policy[deny]-rule[0]]"),
        "nobody": (403, "rbac_access_denied_matched_policy[none]"),
        "fine": (200, "via_upstream"),
    }
    assert {line["audit"] for line in lines.values()} == {"ns[shop]-policy[audit]-rule[0]"}
    fine = lines["fine"]
    assert (fine["dry_run_deny"], fine["dry_run_deny_policy"]) == ("denied", "ns[shop]-policy[tried]-rule[0]")


async def outcome(envoy: Guarded, identity: str) -> int | str:
    try:
        return (await envoy.ask(identity)).status
    except OSError:
        return "refused"


@with_envoy
async def test_who_may_connect_follows_the_mode_and_plaintext_has_no_identity(envoy: Guarded) -> None:
    allow = policy("ALLOW", {"from": [{"source": {"principals": [FRIEND]}}]})
    found = {}
    for mode in ("STRICT", "PERMISSIVE", "DISABLE"):
        await put(envoy, peer(mode))
        bare = [await outcome(envoy, who) for who in (FRIEND, "")]
        await put(envoy, peer(mode), allow)
        found[mode] = [*bare, *[await outcome(envoy, who) for who in (FRIEND, STRANGER, "")]]
    assert found == {
        "STRICT": [200, "refused", 200, 403, "refused"],
        "PERMISSIVE": [200, 200, 200, 403, 403],
        "DISABLE": ["refused", 200, "refused", "refused", 403],
    }


@with_envoy
async def test_a_dot_in_a_value_is_a_dot(envoy: Guarded) -> None:
    sources = [{"namespaces": ["my.shop"]}, {"serviceAccounts": ["other/a.b"]}, {"principals": ["*/sa/c.d"]}]
    await put(envoy, policy("ALLOW", {"from": [{"source": source} for source in sources]}))
    names = {"ns/my.shop/sa/x": 200, "ns/myXshop/sa/x": 403, "ns/other/sa/a.b": 200, "ns/other/sa/aXb": 403}
    names |= {"ns/x/sa/c.d": 200, "ns/x/sa/cXd": 403, "ns/other/sa/a.b.c": 403}
    assert {name: (await envoy.ask(f"cluster.local/{name}")).status for name in names} == names


@pytest.mark.parametrize("star", ["*shop", "*p", "*a"])
def test_a_star_of_a_namespace_ends_with_it(star: str, tmp_path: Path) -> None:
    async def play(envoy: Guarded) -> None:
        await put(envoy, policy("ALLOW", {"from": [{"source": {"namespaces": [star]}}]}))
        expected = {"shop": 200 if star != "*a" else 403, "other": 403}
        got = {name: (await envoy.ask(f"cluster.local/ns/{name}/sa/x")).status for name in expected}
        assert got == expected

    with_envoy(play)(tmp_path)


@with_envoy
async def test_an_open_connection_ends_at_its_next_answer_once_a_policy_has_changed(envoy: Guarded) -> None:
    await put(envoy)
    reader, writer = await envoy.connected(FRIEND)
    before = await exchange(reader, writer, "GET", "/", {"Host": "web.shop"})
    assert (before.status, before.headers.get("connection")) == (200, None)
    await put(envoy, policy("DENY", {}))
    last = await exchange(reader, writer, "GET", "/", {"Host": "web.shop"})
    assert last.headers.get("connection") == "close" and await reader.read() == b""
    writer.close()
    assert (await envoy.ask(FRIEND)).status == 403
