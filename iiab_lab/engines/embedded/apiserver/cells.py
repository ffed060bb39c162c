"""The columns of kinds whose rows need arithmetic, as kubectl users know them: Pod, Deployment, Service, Job and the like."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ..objects import selectors
from ..objects.meta import Object

Column = dict[str, Any]


@dataclass(frozen=True)
class Cells:
    columns: tuple[Column, ...]
    row: Callable[[Object], list[Any]]


def age(timestamp: str) -> str:
    """`5s`, `3m20s`, `4h`, `12d`: as kubectl's human durations, with fewer parts the longer it is."""
    try:
        then = datetime.fromisoformat(timestamp.replace("Z", "+00:00"))
    except ValueError:
        return "<unknown>"
    return duration(int((datetime.now(UTC) - then).total_seconds()))


def duration(seconds: int) -> str:
    seconds = max(0, seconds)
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if seconds < 120:
        return f"{seconds}s"
    if minutes < 10:
        return f"{minutes}m{seconds % 60}s" if seconds % 60 else f"{minutes}m"
    if hours < 3:
        return f"{minutes}m"
    if hours < 8:
        return f"{hours}h{minutes % 60}m" if minutes % 60 else f"{hours}h"
    if days < 2:
        return f"{hours}h"
    return f"{days}d{hours % 24}h" if days < 8 and hours % 24 else f"{days}d"


def pod_status(pod: Object) -> str:
    """The STATUS column: the most telling reason among phase, init containers, containers and deletion."""
    status = pod.get("status") or {}
    shown = status.get("reason") or status.get("phase") or "Pending"
    init = status.get("initContainerStatuses") or []
    for index, container in enumerate(init):
        reason = _reason(container, done_is_fine=True)
        if reason:
            initializing = reason in ("PodInitializing", "Running")
            shown = f"Init:{index}/{len(init)}" if initializing else f"Init:{reason}"
            break
    else:
        for container in reversed(status.get("containerStatuses") or []):
            reason = _reason(container)
            shown = reason if reason not in ("", "Running") else shown
    return "Terminating" if pod["metadata"].get("deletionTimestamp") else shown


def _reason(container: Object, done_is_fine: bool = False) -> str:
    state = container.get("state") or {}
    if "terminated" in state:
        ended = state["terminated"]
        if done_is_fine and ended.get("exitCode") == 0:
            return ""
        return ended.get("reason") or f"ExitCode:{ended.get('exitCode')}"
    if "waiting" in state:
        return state["waiting"].get("reason") or "Waiting"
    return "Running" if "running" in state else "PodInitializing"


def _pod(pod: Object) -> list[Any]:
    status, spec = pod.get("status") or {}, pod["spec"]
    containers = status.get("containerStatuses") or []
    restarts = sum(container.get("restartCount", 0) for container in containers)
    ready = sum(bool(container.get("ready")) for container in containers)
    ended = [
        c["lastState"]["terminated"]["finishedAt"] for c in containers if (c.get("lastState") or {}).get("terminated")
    ]
    shown = f"{restarts} ({age(max(ended))} ago)" if restarts and ended else str(restarts)
    return [
        f"{ready}/{len(spec['containers'])}",
        pod_status(pod),
        shown,
        _age(pod),
        status.get("podIP") or "<none>",
        spec.get("nodeName") or "<none>",
    ]


def _deployment(obj: Object) -> list[Any]:
    status, spec = obj.get("status") or {}, obj["spec"]
    containers = spec["template"]["spec"]["containers"]
    return [
        f"{status.get('readyReplicas', 0)}/{spec.get('replicas', 1)}",
        status.get("updatedReplicas", 0),
        status.get("availableReplicas", 0),
        _age(obj),
        ",".join(c["name"] for c in containers),
        ",".join(c.get("image", "") for c in containers),
        _selector(spec.get("selector")),
    ]


def _replica_set(obj: Object) -> list[Any]:
    status, spec = obj.get("status") or {}, obj["spec"]
    containers = spec["template"]["spec"]["containers"]
    return [
        spec.get("replicas", 1),
        status.get("replicas", 0),
        status.get("readyReplicas", 0),
        _age(obj),
        ",".join(c["name"] for c in containers),
        ",".join(c.get("image", "") for c in containers),
        _selector(spec.get("selector")),
    ]


def _service(obj: Object) -> list[Any]:
    spec = obj.get("spec") or {}
    kind = spec.get("type", "ClusterIP")
    address = spec.get("clusterIP") or ("<none>" if kind == "ExternalName" else "None")
    ports = ",".join(f"{port['port']}/{port.get('protocol', 'TCP')}" for port in spec.get("ports") or ()) or "<none>"
    ingress = ((obj.get("status") or {}).get("loadBalancer") or {}).get("ingress") or []
    external = (
        spec.get("externalName") or ",".join(item.get("ip") or item.get("hostname", "") for item in ingress) or "<none>"
    )
    selector = ",".join(f"{k}={v}" for k, v in (spec.get("selector") or {}).items()) or "<none>"
    return [kind, address, external, ports, _age(obj), selector]


def _job(obj: Object) -> list[Any]:
    status = obj.get("status") or {}
    conditions = {c["type"]: c for c in status.get("conditions") or () if c["status"] == "True"}
    state = "Complete" if "Complete" in conditions else "Failed" if "Failed" in conditions else "Running"
    took = ""
    if status.get("startTime"):
        start = datetime.fromisoformat(status["startTime"].replace("Z", "+00:00"))
        end = status.get("completionTime")
        finish = datetime.fromisoformat(end.replace("Z", "+00:00")) if end else datetime.now(UTC)
        took = duration(int((finish - start).total_seconds()))
    return [state, f"{status.get('succeeded', 0)}/{obj['spec'].get('completions', 1)}", took, _age(obj)]


def _autoscaler(obj: Object) -> list[Any]:
    spec, status = obj["spec"], obj.get("status") or {}
    target = spec["scaleTargetRef"]
    shown = [_target(metric, status.get("currentMetrics") or ()) for metric in spec["metrics"]]
    targets = ", ".join(shown[:2]) + (f" + {len(shown) - 2} more..." if len(shown) > 2 else "")
    replicas = status.get("currentReplicas", 0)
    return [
        f"{target['kind']}/{target['name']}",
        targets,
        spec["minReplicas"],
        spec["maxReplicas"],
        replicas,
        _age(obj),
    ]


def _target(metric: Object, seen: Sequence[Object]) -> str:
    """`cpu: 12%/80%`; what is not measured yet is unknown."""
    field = "resource" if "resource" in metric else "containerResource"
    wanted = metric[field]
    same = (item[field] for item in seen if item["type"] == metric["type"] and item[field]["name"] == wanted["name"])
    current: Object = next((s["current"] for s in same if s.get("container") == wanted.get("container")), {})
    if "averageUtilization" in wanted["target"]:
        share = f"{current['averageUtilization']}%" if "averageUtilization" in current else "<unknown>"
        return f"{wanted['name']}: {share}/{wanted['target']['averageUtilization']}%"
    return f"{wanted['name']}: {current.get('averageValue', '<unknown>')}/{wanted['target']['averageValue']}"


def _quota(obj: Object) -> list[Any]:
    status = obj.get("status") or {}
    hard, used = status.get("hard") or (obj.get("spec") or {}).get("hard") or {}, status.get("used") or {}
    said = {name: f"{name}: {used.get(name, 0)}/{hard[name]}" for name in sorted(hard)}
    limits = [text for name, text in said.items() if name.startswith("limits.")]
    requests = [text for name, text in said.items() if not name.startswith("limits.")]
    return [", ".join(requests), ", ".join(limits), _age(obj)]


def _signing_request(obj: Object) -> list[Any]:
    spec, status = obj["spec"], obj.get("status") or {}
    decided = [c["type"] for c in status.get("conditions") or ()]
    condition = ",".join([*(decided or ["Pending"]), *(["Issued"] if status.get("certificate") else [])])
    lasts = spec.get("expirationSeconds")
    return [_age(obj), spec["signerName"], spec.get("username", ""), duration(lasts) if lasts else "<none>", condition]


def _service_account(obj: Object) -> list[Any]:
    return [len(obj.get("secrets") or ()), _age(obj)]


def _binding(obj: Object) -> list[Any]:
    by_kind: dict[str, list[str]] = {}
    for subject in obj.get("subjects") or ():
        name = f"{subject['namespace']}/{subject['name']}" if subject["kind"] == "ServiceAccount" else subject["name"]
        by_kind.setdefault(subject["kind"], []).append(name)
    named = [", ".join(by_kind.get(kind, ())) for kind in ("User", "Group", "ServiceAccount")]
    return [f"{obj['roleRef']['kind']}/{obj['roleRef']['name']}", _age(obj), *named]


def _event(obj: Object) -> list[Any]:
    about = obj["involvedObject"]
    seen = obj.get("lastTimestamp") or obj["metadata"]["creationTimestamp"]
    times = obj.get("count", 1)
    since = f"{age(seen)} (x{times} over {age(obj.get('firstTimestamp') or seen)})" if times > 1 else age(seen)
    return [
        since,
        obj.get("type", ""),
        obj.get("reason", ""),
        f"{about.get('kind', '').lower()}/{about.get('name', '')}",
        obj.get("message", ""),
    ]


def _node(obj: Object) -> list[Any]:
    status = obj.get("status") or {}
    ready = next((c["status"] for c in status.get("conditions") or () if c["type"] == "Ready"), "Unknown")
    address = next((a["address"] for a in status.get("addresses") or () if a["type"] == "InternalIP"), "<none>")
    info = status.get("nodeInfo") or {}
    shown = {"True": "Ready", "False": "NotReady"}.get(ready, "Unknown")
    return [shown, "<none>", _age(obj), info.get("kubeletVersion", ""), address, info.get("osImage", "")]


def _endpoint_slice(obj: Object) -> list[Any]:
    ports = ",".join(str(port.get("port")) for port in obj.get("ports") or ()) or "<unset>"
    addresses = ",".join(a for endpoint in obj["endpoints"] for a in endpoint["addresses"]) or "<unset>"
    return [obj["addressType"], ports, addresses, _age(obj)]


def _age(obj: Object) -> str:
    return age(obj["metadata"]["creationTimestamp"])


def _selector(selector: Object | None) -> str:
    return selectors.written(selector) or "<none>"


def _named(*names: str, wide: tuple[str, ...] = ()) -> tuple[Column, ...]:
    return tuple({"name": name, "type": "string", "priority": int(name in wide)} for name in (*names, *wide))


_BINDING = Cells(_named("Role", "Age", wide=("Users", "Groups", "ServiceAccounts")), _binding)

KINDS = {
    ("", "Pod"): Cells(_named("Ready", "Status", "Restarts", "Age", wide=("IP", "Node")), _pod),
    ("apps", "Deployment"): Cells(
        _named("Ready", "Up-to-date", "Available", "Age", wide=("Containers", "Images", "Selector")), _deployment
    ),
    ("apps", "ReplicaSet"): Cells(
        _named("Desired", "Current", "Ready", "Age", wide=("Containers", "Images", "Selector")), _replica_set
    ),
    ("", "Service"): Cells(_named("Type", "Cluster-IP", "External-IP", "Port(s)", "Age", wide=("Selector",)), _service),
    ("", "Secret"): Cells(
        _named("Type", "Data", "Age"), lambda o: [o.get("type", "Opaque"), len(o.get("data") or {}), _age(o)]
    ),
    ("", "ConfigMap"): Cells(_named("Data", "Age"), lambda o: [len(o.get("data") or {}), _age(o)]),
    ("", "Node"): Cells(_named("Status", "Roles", "Age", "Version", wide=("Internal-IP", "OS-Image")), _node),
    ("batch", "Job"): Cells(_named("Status", "Completions", "Duration", "Age"), _job),
    ("autoscaling", "HorizontalPodAutoscaler"): Cells(
        _named("Reference", "Targets", "MinPods", "MaxPods", "Replicas", "Age"), _autoscaler
    ),
    ("", "ServiceAccount"): Cells(_named("Secrets", "Age"), _service_account),
    ("", "ResourceQuota"): Cells(_named("Request", "Limit", "Age"), _quota),
    ("certificates.k8s.io", "CertificateSigningRequest"): Cells(
        _named("Age", "SignerName", "Requestor", "RequestedDuration", "Condition"), _signing_request
    ),
    ("rbac.authorization.k8s.io", "RoleBinding"): _BINDING,
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"): _BINDING,
    ("", "Event"): Cells(_named("Last Seen", "Type", "Reason", "Object", "Message"), _event),
    ("networking.k8s.io", "NetworkPolicy"): Cells(
        _named("Pod-Selector", "Age"), lambda o: [_selector(o["spec"].get("podSelector")), _age(o)]
    ),
    ("discovery.k8s.io", "EndpointSlice"): Cells(_named("AddressType", "Ports", "Endpoints", "Age"), _endpoint_slice),
}
