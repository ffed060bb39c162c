"""Knative's objects from one another, as pure functions: the templates that Service, Configuration and Revision stamp out."""

from __future__ import annotations

import copy
from typing import Any

from ..objects.conditions import Condition, condition, find
from ..objects.kinds import CONFIGURATION, DEPLOYMENT, POD_AUTOSCALER, REVISION, ROUTE, SERVICE
from ..objects.meta import Object, annotations_of, labels_of, new
from ..objects.names import (
    KN_CONFIGURATION,
    KN_NO_GC,
    KN_REVISION,
    KN_ROUTING_STATE,
    KN_ROUTING_STATE_MODIFIED,
    KN_SERVICE,
    KN_SERVICE_TYPE,
)
from . import knative_names, knative_targets

USER_PORT, DOMAIN = 8080, "example.com"
_AUTOSCALING = "autoscaling.knative.dev/"
_PROGRESS = "serving.knative.dev/progress-deadline"
_REACHABILITY = {"active": "Reachable", "reserve": "Unreachable", "pending": ""}


def configuration(service: Object) -> Object:
    meta = service["metadata"]
    labels = {**labels_of(service), KN_SERVICE: meta["name"], "serving.knative.dev/serviceUID": meta["uid"]}
    spec = {"template": service["spec"]["template"]}
    return new(CONFIGURATION, meta["name"], meta["namespace"], owner=service, labels=labels, spec=spec)


def route(service: Object) -> Object:
    """Traffic without a configuration or revision follows the Service's own Configuration."""
    meta = service["metadata"]
    own = {"configurationName": meta["name"]}
    given = service["spec"].get("traffic") or knative_targets.EVERYTHING
    traffic = [{**target, **({} if target.get("revisionName") else own)} for target in knative_targets.completed(given)]
    labels = {**labels_of(service), KN_SERVICE: meta["name"]}
    return new(ROUTE, meta["name"], meta["namespace"], owner=service, labels=labels, spec={"traffic": traffic})


def revision(config: Object) -> Object:
    """`<configuration>-00001`: named after the Configuration's generation."""
    meta, template = config["metadata"], copy.deepcopy(config["spec"]["template"])
    given = template.get("metadata") or {}
    generation = meta.get("generation", 1)
    labels = {
        **(given.get("labels") or {}),
        KN_CONFIGURATION: meta["name"],
        "serving.knative.dev/configurationUID": meta["uid"],
        knative_names.GENERATION: str(generation),
        KN_SERVICE: labels_of(config).get(KN_SERVICE, ""),
        KN_ROUTING_STATE: "pending",
    }
    name = given.get("name") or f"{meta['name']}-{generation:05d}"
    annotations = given.get("annotations") or {}
    spec = template["spec"]
    spec.setdefault("timeoutSeconds", 300)
    spec.setdefault("containerConcurrency", 0)
    for container in spec["containers"]:
        container.setdefault("name", "user-container")
        container.setdefault("readinessProbe", {"tcpSocket": {"port": 0}, "successThreshold": 1})
    return new(REVISION, name, meta["namespace"], owner=config, labels=labels, annotations=annotations, spec=spec)


def _inherited(rev: Object) -> dict[str, str]:
    """Whether routes lead to it may change; what would carry that label along would be rolled out anew."""
    kept = {name: value for name, value in labels_of(rev).items() if name != KN_ROUTING_STATE}
    return {**kept, KN_REVISION: rev["metadata"]["name"]}


def user_port(rev: Object) -> int:
    """The containerPort that gets the traffic: the one that is declared, else 8080."""
    ports = [port for container in rev["spec"]["containers"] for port in container.get("ports") or ()]
    return int(ports[0]["containerPort"]) if ports else USER_PORT


def deployment(rev: Object, replicas: int) -> Object:
    meta, spec = rev["metadata"], copy.deepcopy(rev["spec"])
    for knative_only in ("containerConcurrency", "timeoutSeconds", "responseStartTimeoutSeconds", "idleTimeoutSeconds"):
        spec.pop(knative_only, None)
    port = user_port(rev)
    for container in spec["containers"]:
        _serve(container, rev, port)
    labels = {
        **_inherited(rev),
        "serving.knative.dev/revisionUID": meta["uid"],
        "app": meta["name"],
    }
    # Whether a route leads to it, and how long it is kept, changes nothing of its Pods.
    own = {k: v for k, v in annotations_of(rev).items() if k not in (KN_ROUTING_STATE_MODIFIED, KN_NO_GC)}
    template = {"metadata": {"labels": labels, "annotations": own}, "spec": spec}
    body = {
        "replicas": replicas,
        "selector": {"matchLabels": {"serving.knative.dev/revisionUID": meta["uid"]}},
        "template": template,
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0}},
        "progressDeadlineSeconds": 600,
    }
    return new(DEPLOYMENT, f"{meta['name']}-deployment", meta["namespace"], owner=rev, labels=labels, spec=body)


def _serve(container: Object, rev: Object, port: int) -> None:
    """Port, probe and environment of Knative's container contract."""
    container["ports"] = [{"containerPort": port, "name": "user-port", "protocol": "TCP"}]
    probe = container["readinessProbe"]
    for check in ("httpGet", "tcpSocket"):
        if check in probe and not probe[check].get("port"):
            probe[check]["port"] = port
    given = {
        "PORT": str(port),
        "K_REVISION": rev["metadata"]["name"],
        "K_CONFIGURATION": labels_of(rev).get(KN_CONFIGURATION, ""),
        "K_SERVICE": labels_of(rev).get(KN_SERVICE, ""),
    }
    container["env"] = [
        *(container.get("env") or ()),
        *({"name": name, "value": value} for name, value in given.items()),
    ]


def pod_autoscaler(rev: Object) -> Object:
    meta = rev["metadata"]
    spec = {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": f"{meta['name']}-deployment"},
        "protocolType": "http1",
        "reachability": _REACHABILITY[labels_of(rev).get(KN_ROUTING_STATE, "pending")],
        "containerConcurrency": rev["spec"].get("containerConcurrency", 0),
    }
    annotations = {
        k: v for k, v in (meta.get("annotations") or {}).items() if k.startswith(_AUTOSCALING) or k == _PROGRESS
    }
    labels = _inherited(rev)
    return new(
        POD_AUTOSCALER, meta["name"], meta["namespace"], owner=rev, labels=labels, annotations=annotations, spec=spec
    )


def public_service(rev: Object) -> Object:
    """What routes lead to: port 80 of a Service named like the Revision. Whom it leads to is written by hand: it has no selector."""
    return _service(rev, rev["metadata"]["name"], "Public", {})


def private_service(rev: Object) -> Object:
    """The Revision's Pods, always."""
    chosen = {"selector": {"serving.knative.dev/revisionUID": rev["metadata"]["uid"]}}
    return _service(rev, f"{rev['metadata']['name']}-private", "Private", chosen)


def _service(rev: Object, name: str, type_: str, chosen: Object) -> Object:
    meta = rev["metadata"]
    ports = [{"name": "http", "port": 80, "targetPort": user_port(rev), "protocol": "TCP"}]
    labels = {**_inherited(rev), KN_SERVICE_TYPE: type_}
    return new(SERVICE, name, meta["namespace"], owner=rev, labels=labels, spec={**chosen, "ports": ports})


def tagged(name: str, tag: str) -> str:
    """What a tag is called; without one, what the Route itself is."""
    return f"{tag}-{name}" if tag else name


def hosts(name: str, namespace: str) -> list[str]:
    return [
        f"{name}.{namespace}.svc.cluster.local",
        f"{name}.{namespace}.svc",
        f"{name}.{namespace}",
        external(name, namespace),
    ]


def external(name: str, namespace: str) -> str:
    return f"{name}.{namespace}.{DOMAIN}"


def copied(type_: str, source: Object | None, from_: str, now: str) -> Condition:
    """A condition that repeats another object's, as Knative propagates readiness upwards; Unknown until there is one."""
    found: dict[str, Any] = find(source, from_) or {"status": "Unknown"}
    return condition(type_, found["status"], found.get("reason", ""), found.get("message", ""), now=now)


def ready(parts: list[Condition], now: str) -> list[Condition]:
    """`parts` and the Ready they make together: the first that failed, else the first unknown, tells why."""
    for status in ("False", "Unknown"):
        if bad := next((part for part in parts if part["status"] == status), None):
            return [*parts, condition("Ready", status, bad.get("reason", ""), bad.get("message", ""), now=now)]
    return [*parts, condition("Ready", True, now=now)]


def is_current(obj: Object | None) -> bool:
    """Whether the status speaks of the present spec."""
    if obj is None:
        return False
    return (obj.get("status") or {}).get("observedGeneration") == obj["metadata"].get("generation", 1)
