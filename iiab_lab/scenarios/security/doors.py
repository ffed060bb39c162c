"""A Target → its doors by name: the edge's and the services' URLs, and the ports of Pods that nobody should come to directly."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import urlsplit

from ...errors import NotReady
from ...target import Target
from ...traffic.management import HOST
from .attack import ACTIVATOR, EDGE, PROMETHEUS, SIDECAR, TIER_2

# Of a Pod: its namespace, its labels, the container's port or SERVICE:PORT that leads to it, and the name that its certificate is
# asked for by.
Place = tuple[str, str, str, str]
_GATEWAY = ("envoy-gateway-system", "gateway.envoyproxy.io/owning-gateway-name=ai-inference-gateway")
PODS: dict[str, Place] = {
    SIDECAR: ("tenant-a", "serving.kserve.io/inferenceservice=sklearn-iris", "8080", "workload.mesh.local"),
    TIER_2: (
        "istio-system",
        "istio=ingressgateway",
        "istio-ingressgateway:443",
        "istio-ingressgateway.istio-system.svc.cluster.local",
    ),
    ACTIVATOR: ("knative-serving", "app=activator", "8012", "workload.mesh.local"),
    "stats": (*_GATEWAY, "19001", ""),
}


class Door(NamedTuple):
    """`name` is asked for in the handshake; `layer` is told where no access log is written there."""

    address: tuple[str, int]
    tls: bool = False
    mesh: bool = False
    name: str = "localhost"
    host: str = "localhost"
    layer: str = ""


class Doors:
    """`where` tells of a door that is a Pod's."""

    def __init__(self, target: Target, where: Callable[[str], Place]) -> None:
        self._target, self._where = target, where
        plain, secure = (_address(url) for url in (target.gateway_url, target.gateway_tls_url))
        management = target.endpoints.get("management", "")
        self._known = {
            "edge": Door(plain),
            "edge-tls": Door(secure, tls=True),
            "edge-h2": Door(secure, tls=True),
            "management": Door(_address(management)) if management else Door(plain, host=HOST),
            "prometheus": Door(_address(target.prometheus_url), layer=PROMETHEUS),
        }

    def open(self, name: str) -> Door:
        """Raises NotReady where its Pod is not there."""
        if name not in self._known:
            self._known[name] = self._found(*self._where(name))
        return self._known[name]

    def _found(self, namespace: str, labels: str, port: str, certified: str) -> Door:
        """Its own port on loopback, where the engine says one, else its address."""
        pods = self._target.kube.list("v1", "Pod", namespace, labels)
        if not pods:
            raise NotReady(f"There is no Pod {labels} in {namespace}.", "look at: iiab status")
        port = self._behind(namespace, *port.split(":")) if ":" in port else port
        ports = json.loads(pods[0]["metadata"].get("annotations", {}).get("iiab.lab/ports", "{}"))
        address = ("127.0.0.1", int(ports[port])) if port in ports else (pods[0]["status"]["podIP"], int(port))
        meshed = bool(certified)
        return Door(address, meshed, meshed, certified, "localhost", "" if meshed else EDGE)

    def _behind(self, namespace: str, service: str, port: str) -> str:
        """Which port of its Pods a Service's port is."""
        found = self._target.kube.get("v1", "Service", service, namespace)
        ports = found["spec"]["ports"] if found else []
        return next((str(one.get("targetPort", port)) for one in ports if str(one["port"]) == port), port)


def _address(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    host = "127.0.0.1" if parts.hostname == "localhost" else str(parts.hostname)
    return host, parts.port or (443 if parts.scheme == "https" else 80)
