"""A namespace where something did not become ready in time → why: its unready Pods, what was said of them, and their last words."""

from __future__ import annotations

import json
from typing import Any

from . import tools
from .step import Argv

_PODS, _LINES = 3, 6


def of(reach: Argv, namespace: str) -> str:
    """`reach` is kubectl with the cluster it speaks to. One line per cause; says so where none is found."""
    found = [line for pod in _unready(reach, namespace)[:_PODS] for line in _of_pod(reach, namespace, pod)]
    return "\n".join(found or [f"no Pod in {namespace or 'the cluster'} says why"])


def _unready(reach: Argv, namespace: str) -> list[dict[str, Any]]:
    where = ("-n", namespace) if namespace else ("-A",)
    pods: list[dict[str, Any]] = _items(tools.ask(*reach, "get", "pods", *where, "-o", "json"))
    return [pod for pod in pods if pod["status"].get("phase") != "Succeeded" and not _is_ready(pod)]


def _of_pod(reach: Argv, namespace: str, pod: dict[str, Any]) -> list[str]:
    space, name = pod["metadata"].get("namespace", namespace), pod["metadata"]["name"]
    lines = [f"Pod {space}/{name}: {_state(pod)}"]
    about = f"involvedObject.name={name},type=Warning"
    events = _items(tools.ask(*reach, "get", "events", "-n", space, "--field-selector", about, "-o", "json"))
    lines += [f"  {event.get('reason', '')}: {event.get('message', '')}" for event in events[-2:]]
    log = tools.ask(*reach, "logs", name, "-n", space, "--all-containers", f"--tail={_LINES}")
    return lines + [f"  | {line}" for line in log.splitlines()[-_LINES:]]


def _state(pod: dict[str, Any]) -> str:
    """What its containers wait for or ended with; else what the scheduler says."""
    status = pod["status"]
    containers = [*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ())]
    states = [
        f"{one['name']} {state.get('reason', kind)} {state.get('message', '')}".strip()
        for one in containers
        for kind, state in (one.get("state") or {}).items()
        if kind != "running" and state.get("reason") != "Completed"
    ]
    unmet = [
        str(c.get("message", "")) for c in status.get("conditions", ()) if c["status"] == "False" and c.get("message")
    ]
    return "; ".join(states or unmet) or str(status.get("phase", "unknown"))


def _is_ready(pod: dict[str, Any]) -> bool:
    return any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions", ()))


def _items(text: str) -> list[dict[str, Any]]:
    try:
        found: list[dict[str, Any]] = json.loads(text)["items"]
    except (ValueError, KeyError):
        return []
    return found
