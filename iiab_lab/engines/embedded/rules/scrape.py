"""Monitors and the Pods they select → Prometheus file_sd target groups, named as the Prometheus operator names them."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from ..objects import selectors
from ..objects.meta import Object, labels_of
from ..objects.pods import ports

Group = dict[str, Any]


def selected(monitor: Object, objects: list[Object]) -> list[Object]:
    """Of the monitor's own namespace, of those it names, or of any; with matching labels."""
    spec = monitor["spec"]
    wanted = spec.get("namespaceSelector") or {}
    names = None if wanted.get("any") else set(wanted.get("matchNames") or [monitor["metadata"]["namespace"]])
    return [
        obj
        for obj in objects
        if (names is None or obj["metadata"]["namespace"] in names)
        and selectors.matches(spec["selector"], labels_of(obj))
    ]


def pod_groups(monitor: Object, pods: list[Object]) -> list[tuple[str, Group]]:
    """(scheme, group) for every endpoint of every selected Pod that has the port."""
    found = []
    for index, endpoint in enumerate(monitor["spec"].get("podMetricsEndpoints") or ()):
        for pod in selected(monitor, pods):
            if group := _group(monitor, index, endpoint, pod, _declares(endpoint), {}):
                found.append((endpoint.get("scheme", "http").lower(), group))
    return found


def service_groups(monitor: Object, services: list[Object], pods: list[Object]) -> list[tuple[str, Group]]:
    found = []
    for index, endpoint in enumerate(monitor["spec"].get("endpoints") or ()):
        for service in selected(monitor, services):
            selector = (service["spec"].get("selector") or {}).items()
            port = next((p for p in service["spec"].get("ports") or () if p.get("name") == endpoint.get("port")), None)
            behind = [
                pod
                for pod in pods
                if selector
                and selector <= labels_of(pod).items()
                and pod["metadata"]["namespace"] == service["metadata"]["namespace"]
            ]
            target = _matches_target((port or {}).get("targetPort", (port or {}).get("port")))
            for pod in behind if port else ():
                labels = {"service": service["metadata"]["name"]}
                if group := _group(monitor, index, endpoint, pod, target, labels):
                    found.append((endpoint.get("scheme", "http").lower(), group))
    return found


Declares = Callable[[Object], bool]


def _declares(endpoint: Object) -> Declares:
    return lambda port: port.get("name") == endpoint.get("port") or port["containerPort"] == endpoint.get("portNumber")


def _matches_target(target: Any) -> Declares:
    return lambda port: target in (port.get("name"), port["containerPort"])


def _group(
    monitor: Object, index: int, endpoint: Object, pod: Object, declares: Declares, more: dict[str, str]
) -> Group | None:
    own = ports(pod)
    if pod["metadata"].get("deletionTimestamp") or (pod.get("status") or {}).get("phase") != "Running":
        return None
    for container in pod["spec"]["containers"]:
        for port in container.get("ports") or ():
            if declares(port) and port["containerPort"] in own:
                address = f"127.0.0.1:{own[port['containerPort']]}"
                labels = _labels(monitor, index, endpoint, pod, container["name"], port) | more
                return {"targets": [address], "labels": labels}
    return None


def _labels(monitor: Object, index: int, endpoint: Object, pod: Object, container: str, port: Object) -> dict[str, str]:
    meta, owner = pod["metadata"], monitor["metadata"]
    kind = monitor["kind"][0].lower() + monitor["kind"][1:]
    made = {
        "__iiab_job": f"{kind}/{owner['namespace']}/{owner['name']}/{index}",
        "__metrics_path__": endpoint.get("path", "/metrics"),
        "namespace": meta["namespace"],
        "pod": meta["name"],
        "container": container,
        "endpoint": port.get("name") or str(port["containerPort"]),
    }
    made |= {f"__param_{name}": values[0] for name, values in (endpoint.get("params") or {}).items() if values}
    known = made | {"__meta_kubernetes_namespace": meta["namespace"], "__meta_kubernetes_pod_name": meta["name"]}
    known |= {f"__meta_kubernetes_pod_label_{_safe(name)}": value for name, value in labels_of(pod).items()}
    for rule in endpoint.get("relabelings") or ():
        value = ";".join(known.get(label, "") for label in rule.get("sourceLabels") or ())
        replaced = rule.get("replacement", "$1").replace("$1", value)
        if replaced and rule.get("targetLabel"):
            made[rule["targetLabel"]] = replaced
    return made


def _safe(name: str) -> str:
    return re.sub(r"[^a-zA-Z0-9_]", "_", name)
