"""Certificates and the edge: what is issued, renewed, refused, parked."""

from __future__ import annotations

import base64

from iiab_lab.assets import manifests
from iiab_lab.engines.embedded.objects.kinds import (
    CERTIFICATE,
    GATEWAY,
    HTTP_ROUTE,
    SECRET,
    Key,
)
from iiab_lab.kube import documents

from .world import World, condition, in_world

EDGE = """
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: envoy-gateway}
spec: {controllerName: gateway.envoyproxy.io/gatewayclass-controller}
---
{apiVersion: v1, kind: Namespace, metadata: {name: envoy-gateway-system}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: edge, namespace: here}
spec: {gatewayClassName: envoy-gateway, listeners: [{name: http, protocol: HTTP, port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: here}
spec: {selector: {app: web}, ports: [{port: 80}]}
"""
ROUTE = """
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: %s, namespace: here}
spec:
  parentRefs: [{name: edge}]
  rules: [{matches: [{path: {type: %s, value: "%s"}}], backendRefs: [{name: web, port: 80}]}]
"""
ROOT = """
{apiVersion: v1, kind: Namespace, metadata: {name: cert-manager}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: istio-system}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: monitoring}}
"""


def parent(w: World, name: str, type_: str = "Accepted") -> tuple[str, str]:
    parents = ((w.get(HTTP_ROUTE, name) or {}).get("status") or {}).get("parents") or [{}]
    return condition({"status": parents[0]}, type_)


def routes(w: World) -> str:
    published = next(iter(w.proxy.given.values()), [])
    return repr(published[-1].routes) if published else ""


async def edge(w: World) -> None:
    await w.apply(EDGE)
    await w.until(lambda: condition(w.get(GATEWAY, "edge"), "Programmed")[0] == "True")


@in_world()
async def test_a_gateway_gets_its_proxy_and_a_route_its_verdict(w: World) -> None:
    await edge(w)
    await w.apply(ROUTE % ("web", "PathPrefix", "/web"))
    await w.until(lambda: parent(w, "web") == ("True", "Accepted") and "'/web'" in routes(w))
    assert parent(w, "web", "ResolvedRefs") == ("True", "ResolvedRefs")
    assert (w.get(GATEWAY, "edge") or {})["status"]["addresses"] == [{"type": "IPAddress", "value": "127.0.0.1"}]
    await w.client.delete(HTTP_ROUTE, Key("here", "web"))
    await w.until(lambda: "'/web'" not in routes(w))


@in_world()
async def test_one_bad_route_is_parked_the_others_are_published_and_its_cure_frees_it(w: World) -> None:
    await edge(w)
    w.proxy.refuses.add("(((")
    for name, kind, path in (("good", "Exact", "/good"), ("bad", "RegularExpression", "/(((")):
        await w.apply(ROUTE % (name, kind, path))
    await w.until(lambda: parent(w, "bad") == ("False", "UnsupportedValue"), lambda: w.get(HTTP_ROUTE, "bad"))
    await w.until(lambda: "/good" in routes(w) and "(((" not in routes(w))
    assert parent(w, "good") == ("True", "Accepted")
    await w.apply(ROUTE % ("later", "Exact", "/later"))
    await w.until(lambda: "/later" in routes(w))
    await w.apply(ROUTE % ("bad", "Exact", "/cured"))
    await w.until(lambda: parent(w, "bad") == ("True", "Accepted") and "/cured" in routes(w))


def pem(w: World, namespace: str, name: str, field: str) -> str:
    secret = w.get(SECRET, name, namespace)
    return base64.b64decode(secret["data"][field]).decode() if secret else ""


@in_world()
async def test_certificates_hang_from_their_root_and_are_renewed_in_time(w: World) -> None:
    await w.apply(ROOT)
    await w.apply(obj for _, obj in documents(manifests() / "platform" / "certificates.yaml"))
    for namespace, name in (
        ("cert-manager", "lab-root-ca"),
        ("cert-manager", "mesh-root-ca"),
        ("istio-system", "cacerts"),
        ("monitoring", "prometheus-workload"),
    ):
        await w.until(lambda n=namespace, c=name: condition(w.get(CERTIFICATE, c, n), "Ready") == ("True", "Ready"))
    root = pem(w, "cert-manager", "mesh-root-ca", "tls.crt")
    assert pem(w, "istio-system", "cacerts", "ca.crt") == pem(w, "monitoring", "prometheus-workload", "ca.crt") == root
    before = pem(w, "monitoring", "prometheus-workload", "tls.crt")
    w.clock.advance(59 * 86400)
    await w.quiet()
    assert pem(w, "monitoring", "prometheus-workload", "tls.crt") == before
    w.clock.advance(2 * 86400)  # 2160 h, renewed with a third of it left
    await w.until(lambda: pem(w, "monitoring", "prometheus-workload", "tls.crt") != before)
    await w.until(lambda: (w.get(CERTIFICATE, "prometheus-workload", "monitoring") or {})["status"]["revision"] == 2)
