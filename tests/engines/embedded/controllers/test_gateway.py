"""The Gateway's controller: statuses that several Gateways share, what is parked and how it is found, and what wakes nobody."""

from __future__ import annotations

from typing import Any
from unittest import mock

from iiab_lab.engines.embedded.envoy import edge as translation
from iiab_lab.engines.embedded.envoy.snapshot import Snapshot
from iiab_lab.engines.embedded.objects.kinds import GATEWAY, HTTP_ROUTE, Key
from iiab_lab.engines.embedded.objects.meta import Object
from iiab_lab.engines.embedded.rules.gateway_status import CONTROLLER

from .test_edge import EDGE, edge, parent, routes
from .world import World, condition, in_world

SECOND = """
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: second, namespace: here}
spec: {gatewayClassName: envoy-gateway, listeners: [{name: http, protocol: HTTP, port: 81}]}
"""
POLICY = """
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: SecurityPolicy
metadata: {name: keys, namespace: here}
spec:
  targetRefs: [{group: gateway.networking.k8s.io, kind: HTTPRoute, name: %s}]
  apiKeyAuth: {extractFrom: [{headers: [%s]}], credentialRefs: [{name: keys}]}
"""


def route(name: str, *parents: str, path: str = "/", **rule: Any) -> Object:
    refs = [{"name": parent} for parent in parents or ("edge",)]
    rules = [{"matches": [{"path": {"value": path}}], "backendRefs": [{"name": "web", "port": 80}], **rule}]
    meta = {"name": name, "namespace": "here"}
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": meta,
        "spec": {"parentRefs": refs, "rules": rules},
    }


def parents(w: World, name: str = "web") -> list[str]:
    found = ((w.get(HTTP_ROUTE, name) or {}).get("status") or {}).get("parents") or []
    return [entry["parentRef"]["name"] for entry in found]


@in_world()
async def test_http_route_multiple_gateways(w: World) -> None:
    """Each Gateway has its entry in the status, and neither takes the other's away."""
    await w.apply(EDGE + "---" + SECOND)
    await w.apply([route("web", "edge", "second", "nobody")])
    await w.until(lambda: parents(w) == ["edge", "second"])
    await w.quiet()
    before = w.store.revision
    await w.apply([route("other", "second")])
    await w.until(lambda: parents(w, "other") == ["second"])
    await w.quiet()
    assert parents(w) == ["edge", "second"]
    assert w.store.revision < before + 10  # the statuses came to rest


@in_world()
async def test_an_entry_goes_with_its_parent_ref_and_with_its_gateway(w: World) -> None:
    await w.apply(EDGE + "---" + SECOND)
    foreign = {"parentRef": {"name": "edge"}, "controllerName": "example.com/other", "conditions": []}
    await w.apply([route("web", "edge", "second")])
    await w.until(lambda: parents(w) == ["edge", "second"])
    status = (w.get(HTTP_ROUTE, "web") or {})["status"]
    await w.client.set_status(HTTP_ROUTE, Key("here", "web"), {"parents": [*status["parents"], foreign]})
    await w.apply([route("web", "second")])
    await w.until(lambda: sorted(parents(w)) == ["edge", "second"])
    left = (w.get(HTTP_ROUTE, "web") or {})["status"]["parents"]
    assert {(entry["parentRef"]["name"], entry["controllerName"]) for entry in left} == {("edge", "example.com/other"), ("second", CONTROLLER)}  # fmt: skip
    await w.client.delete(GATEWAY, Key("here", "second"))
    await w.until(lambda: parents(w) == ["edge"], lambda: parents(w))


def seen(w: World, name: str = "web") -> list[int]:
    """The generation that each condition speaks of."""
    (entry,) = (w.get(HTTP_ROUTE, name) or {})["status"]["parents"]
    return [condition["observedGeneration"] for condition in entry["conditions"]]


@in_world()
async def test_http_route_observed_generation_bump(w: World) -> None:
    await edge(w)
    await w.apply([route("web")])
    await w.until(lambda: parents(w) == ["edge"])
    assert seen(w) == [1, 1]
    await w.apply([route("web", path="/other")])
    await w.until(lambda: seen(w) == [2, 2])
    listeners = [{"name": "http", "protocol": "HTTP", "port": 80, "hostname": "a.example"}]
    gateway = w.get(GATEWAY, "edge") or {}
    await w.client.apply(
        {**gateway, "spec": {**gateway["spec"], "listeners": listeners}, "metadata": {"name": "edge", "namespace": "here"}}
    )  # fmt: skip
    await w.until(lambda: {c["observedGeneration"] for c in (w.get(GATEWAY, "edge") or {})["status"]["conditions"]} == {2})  # fmt: skip


def attached(w: World) -> dict[str, int]:
    listeners = (w.get(GATEWAY, "edge") or {})["status"]["listeners"]
    return {one["name"]: one["attachedRoutes"] for one in listeners}


@in_world()
async def test_gateway_with_attached_routes(w: World) -> None:
    """Counted with a reference that leads nowhere and on a listener that cannot serve; not counted where not accepted."""
    certified = {"name": "tls", "protocol": "HTTPS", "port": 443, "tls": {"certificateRefs": [{"name": "no-such"}]}}
    plain = {"name": "http", "protocol": "HTTP", "port": 80, "hostname": "foo.example.com"}
    await w.apply(EDGE)
    gateway = w.get(GATEWAY, "edge") or {}
    await w.client.apply(
        {**gateway, "spec": {**gateway["spec"], "listeners": [plain, certified]}, "metadata": {"name": "edge", "namespace": "here"}}
    )  # fmt: skip
    elsewhere = route("elsewhere")
    elsewhere["spec"] |= {"hostnames": ["not-accepted.test.com"], "parentRefs": [{"name": "edge", "sectionName": "http"}]}  # fmt: skip
    lost = route("lost", backendRefs=[{"name": "does-not-exist", "port": 80}])
    await w.apply([route("one"), route("two"), elsewhere, lost])
    await w.until(lambda: attached(w) == {"http": 3, "tls": 3}, lambda: attached(w))
    await w.until(lambda: parent(w, "elsewhere") == ("False", "NoMatchingListenerHostname"))
    tls = next(one for one in (w.get(GATEWAY, "edge") or {})["status"]["listeners"] if one["name"] == "tls")
    assert condition({"status": tls}, "ResolvedRefs") == ("False", "InvalidCertificateRef")
    assert condition({"status": tls}, "Programmed") == ("False", "Invalid")


@in_world()
async def test_what_envoy_alone_refuses_is_found_by_halves_and_only_among_what_is_new(w: World) -> None:
    await edge(w)
    w.proxy.refuses |= {"refused-1", "refused-2"}
    good = [route(f"good-{index:03}", path=f"/good-{index:03}") for index in range(60)]
    await w.apply(good)
    await w.until(lambda: "/good-059" in routes(w))
    checks: list[int] = []
    check = w.proxy.check

    async def counted(candidate: Snapshot) -> str:
        checks.append(len(candidate.clusters))
        return await check(candidate)

    w.proxy.check = counted  # type: ignore[method-assign]
    await w.apply([route("bad", path="/refused-1")])
    await w.until(lambda: parent(w, "bad") == ("False", "UnsupportedValue"))
    await w.until(lambda: "/good-059" in routes(w) and "refused" not in routes(w))
    # The new one alone, besides what was put in force.
    assert max(size for size in checks if size < 60) == 1 and sum(size < 60 for size in checks) <= 2, checks
    # Whoever is looked for, Envoy itself is never told to let go of a listener.
    given = next(iter(w.proxy.given.values()))
    first = next(place for place, one in enumerate(given) if "here/edge/http" in one.listeners)
    assert all("here/edge/http" in one.listeners for one in given[first:])
    checks.clear()
    await w.apply([route("later", path="/later")])
    await w.until(lambda: "/later" in routes(w))
    assert all(size >= 60 for size in checks), "what is parked is not asked about again"


@in_world()
async def test_a_parked_route_is_freed_by_the_cure_of_its_policy(w: World) -> None:
    await edge(w)
    w.proxy.refuses.add("x-refused")
    await w.client.create({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "keys", "namespace": "here"}, "data": {"a": "a2V5"}})  # fmt: skip
    await w.apply(POLICY % ("web", "x-refused"))
    await w.apply([route("web", path="/web"), route("other", path="/other")])
    await w.until(lambda: parent(w, "web") == ("False", "UnsupportedValue") and "/other" in routes(w))
    await w.apply(POLICY % ("web", "x-fine"))
    await w.until(lambda: parent(w, "web") == ("True", "Accepted") and "/web" in routes(w))


@in_world()
async def test_what_no_route_asked_for_changes_nothing(w: World) -> None:
    """Other Services, their EndpointSlices, Secrets, Pods and labels: nothing is translated, and nothing is written."""
    await edge(w)
    await w.apply([route("web", path="/web")])
    await w.until(lambda: "/web" in routes(w))
    await w.quiet()
    before = w.store.revision
    strangers: list[Object] = [
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "stranger", "namespace": "here"}, "spec": {"selector": {"app": "x"}, "ports": [{"port": 80}]}},
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "stranger", "namespace": "here"}, "data": {}},
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "stranger", "namespace": "here"}, "data": {}},
    ]  # fmt: skip
    labelled = route("web", path="/web")
    labelled["metadata"]["labels"] = {"anything": "else"}
    with mock.patch.object(translation, "translate", wraps=translation.translate) as translate:
        await w.apply([*strangers, labelled])
        await w.quiet()
        assert translate.call_count == 0 and w.store.revision > before
        await w.apply(EDGE.rpartition("---")[2].replace("port: 80", "port: 80, appProtocol: kubernetes.io/h2c"))
        await w.until(lambda: translate.call_count)
