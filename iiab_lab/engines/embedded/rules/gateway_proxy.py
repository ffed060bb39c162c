"""A Gateway → the Deployment, Service and ServiceAccount of its Envoy, named and labelled as Envoy Gateway does."""

from __future__ import annotations

import hashlib

from ..envoy.edge import READY_PORT, STATS_PORT, container_port
from ..objects.kinds import DEPLOYMENT, SERVICE, SERVICE_ACCOUNT
from ..objects.meta import Object, new
from ..objects.names import GATEWAY_NAME, GATEWAY_NAMESPACE

NAMESPACE = "envoy-gateway-system"
# Equal to the release in manifests/versions.yaml; a test compares.
IMAGE = "envoyproxy/envoy:distroless-v1.40.0"


def name(gateway: Object) -> str:
    meta = gateway["metadata"]
    full = f"{meta['namespace']}/{meta['name']}"
    return f"envoy-{full.replace('/', '-')}"[:48].rstrip("-") + "-" + hashlib.sha256(full.encode()).hexdigest()[:8]


def labels(gateway: Object) -> dict[str, str]:
    return {GATEWAY_NAME: gateway["metadata"]["name"], GATEWAY_NAMESPACE: gateway["metadata"]["namespace"]}


def infrastructure(gateway: Object) -> list[Object]:
    """They live beside the controller, in another namespace than the Gateway may; so they have no owner reference."""
    ports = sorted({listener["port"] for listener in gateway["spec"]["listeners"]})
    named = {"labels": {"app.kubernetes.io/name": "envoy", "app.kubernetes.io/component": "proxy", **labels(gateway)}}
    account = new(SERVICE_ACCOUNT, name(gateway), NAMESPACE, **named, automountServiceAccountToken=False)
    return [account, _deployment(gateway, ports, named), _service(gateway, ports, named)]


def _deployment(gateway: Object, ports: list[int], named: dict[str, dict[str, str]]) -> Object:
    listed = [
        {"name": f"port-{port}", "containerPort": container_port(port), "hostPort": port, "protocol": "TCP"}
        for port in ports
    ]
    listed += [
        {"name": "metrics", "containerPort": STATS_PORT, "protocol": "TCP"},
        {"name": "readiness", "containerPort": READY_PORT, "protocol": "TCP"},
    ]
    envoy = {
        "name": "envoy",
        "image": IMAGE,
        "ports": listed,
        "readinessProbe": {"httpGet": {"path": "/ready", "port": "readiness"}, "periodSeconds": 5},
    }
    template = {"metadata": named, "spec": {"serviceAccountName": name(gateway), "containers": [envoy]}}
    # Two Envoys cannot both have the host's port: the old one goes first.
    spec = {
        "replicas": 1,
        "strategy": {"type": "Recreate"},
        "selector": {"matchLabels": labels(gateway)},
        "template": template,
    }
    return new(DEPLOYMENT, name(gateway), NAMESPACE, **named, spec=spec)


def _service(gateway: Object, ports: list[int], named: dict[str, dict[str, str]]) -> Object:
    listed = [
        {"name": f"port-{port}", "port": port, "targetPort": container_port(port), "protocol": "TCP"} for port in ports
    ]
    spec = {"type": "LoadBalancer", "selector": labels(gateway), "ports": listed}
    return new(SERVICE, name(gateway), NAMESPACE, **named, spec=spec)
