"""VirtualServices and DestinationRules as YAML → an ingress gateway in front of Services whose Pods listen on ports of one's choice."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from iiab_lab.engines.embedded.envoy import guard, ingress, sidecar
from iiab_lab.engines.embedded.envoy.ingress import Ingress
from iiab_lab.engines.embedded.objects.kinds import POD
from iiab_lab.engines.embedded.objects.meta import Object

from ....golden.world import YamlWorld

GATEWAY = """
apiVersion: v1
kind: Pod
metadata: {name: ingress, namespace: istio-system, labels: {istio: ingressgateway}}
spec:
  serviceAccountName: istio-ingressgateway
  containers: [{name: istio-proxy, image: istio/proxyv2, ports: [{containerPort: 8080}, {containerPort: 15021}, {containerPort: 15090}]}]
---
apiVersion: v1
kind: Service
metadata: {name: istio-ingressgateway, namespace: istio-system}
spec: {selector: {istio: ingressgateway}, ports: [{name: http, port: 80, targetPort: 8080}]}
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: front, namespace: istio-system}
spec:
  selector: {istio: ingressgateway}
  servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ["*"]}]
"""
IDENTITY = sidecar.Identity("CERTIFICATE", "KEY", "CA")


def service(name: str, pods: Mapping[str, int], namespace: str = "shop", version: str = "") -> list[Object]:
    """A Service on port 80 and its Pods, without sidecars: name → port on loopback. `version` or the Pod's name is a label."""
    meta = {"name": name, "namespace": namespace}
    ports = [{"name": "http", "port": 80, "targetPort": 8080}]
    made: list[Object] = [
        {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": {"selector": {"app": name}, "ports": ports}}
    ]
    for pod, port in pods.items():
        labels = {"app": name, "version": version or pod}
        made.append(
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": pod, "namespace": namespace, "labels": labels},
                "spec": {"containers": [{"name": "main", "image": "x"}]},
            }
        )
        target = {"kind": "Pod", "name": pod, "namespace": namespace}
        endpoint = {"addresses": ["127.0.0.1"], "conditions": {"ready": True}, "targetRef": target}
        made.append(
            {
                "apiVersion": "discovery.k8s.io/v1",
                "kind": "EndpointSlice",
                "metadata": {**meta, "name": f"{name}-{pod}", "labels": {"kubernetes.io/service-name": name}},
                "addressType": "IPv4",
                "ports": [{"name": "http", "port": port}],
                "endpoints": [endpoint],
            }
        )
    return made


def virtual_service(http: list[Any], name: str = "web", namespace: str = "shop", at: int = 0, **spec: Any) -> Object:
    """`at`: its age, the smaller the older."""
    meta = {"name": name, "namespace": namespace, "creationTimestamp": f"2026-01-01T00:00:{at:02}Z"}
    spec = {"hosts": ["web.example.org"], "gateways": ["istio-system/front"], "http": http, **spec}
    return {"apiVersion": "networking.istio.io/v1", "kind": "VirtualService", "metadata": meta, "spec": spec}


def destination_rule(host: str, name: str = "web", namespace: str = "shop", at: int = 0, **spec: Any) -> Object:
    meta = {"name": name, "namespace": namespace, "creationTimestamp": f"2026-01-01T00:00:{at:02}Z"}
    spec = {"host": host, **spec}
    return {"apiVersion": "networking.istio.io/v1", "kind": "DestinationRule", "metadata": meta, "spec": spec}


def namespace(name: str) -> Object:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def world(*objects: Object) -> YamlWorld:
    made = YamlWorld(GATEWAY)
    for obj in objects:
        made.add(obj)
    return made


def translate(*objects: Object, ports: Mapping[int, int] | None = None) -> Ingress:
    """`ports`: containerPort → port on loopback, of the gateway."""
    made = world(*objects)
    own = dict(ports or {8080: 8080, 15021: 15021})
    pod = made.of_kind(POD)
    before = guard.of_pod(made, pod, own, IDENTITY.root)
    return ingress.translate(made, sidecar.Pod(pod, own, {}), IDENTITY, before)


def hosts(made: Ingress) -> dict[str, list[Any]]:
    """domain → routes"""
    (table,) = made.snapshot.routes.values()
    return {domain: one["routes"] for one in table["virtual_hosts"] for domain in one["domains"]}
