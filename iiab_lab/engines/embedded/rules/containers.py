"""What a container's spec, its machine state and its last status say → what to do with it, and what to report.

The kubelet's rules: a container that ended is started again at once the first time, then after 10 s, 20 s, … 300 s
(CrashLoopBackOff); ten minutes of running forget the past.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from ..objects import quantities
from ..objects.sandbox import State
from ..objects.times import rfc3339

Object = dict[str, Any]

_FIRST, _MOST, _FORGET = 10.0, 300.0, 600.0
_COMPUTE = {"cpu", "memory"}


@dataclass(frozen=True)
class Backoff:
    """`failures`: ends since the container last ran for ten minutes."""

    failures: int = 0

    def after(self, state: State) -> Backoff:
        return Backoff(1 if state.finished - state.started >= _FORGET else self.failures + 1)

    @property
    def seconds(self) -> float:
        return 0.0 if self.failures <= 1 else min(_MOST, _FIRST * 2 ** (self.failures - 2))


def restarts(policy: str, exit_code: int, *, init: bool) -> bool:
    """Whether a container that ended with this code is started again."""
    if init:
        return exit_code != 0 and policy != "Never"
    return policy == "Always" or (policy == "OnFailure" and exit_code != 0)


def entry(spec: Object, before: Object, **changes: Any) -> Object:
    """One containerStatus; what `changes` does not say is as before."""
    made = {
        "name": spec["name"],
        "image": spec.get("image", ""),
        "imageID": "",
        "ready": False,
        "started": False,
        "restartCount": before.get("restartCount", 0),
        "state": before.get("state") or waiting("PodInitializing"),
    }
    if "lastState" in before:
        made["lastState"] = before["lastState"]
    return made | changes


def waiting(reason: str, message: str = "") -> Object:
    return {"waiting": {"reason": reason} | ({"message": message} if message else {})}


def running(state: State) -> Object:
    return {"running": {"startedAt": rfc3339(state.started)}}


def terminated(state: State) -> Object:
    code = state.exit_code or 0
    ended = {"exitCode": code, "reason": state.reason or ("Error" if code else "Completed")}
    ended |= {"signal": state.signal} if state.signal and not state.reason else {}
    ended |= {"message": state.message} if state.message else {}
    return {"terminated": ended | {"startedAt": rfc3339(state.started), "finishedAt": rfc3339(state.finished)}}


def memory_limit(container: Object) -> int:
    """Bytes; 0 without one."""
    return int(quantities.parse(((container.get("resources") or {}).get("limits") or {}).get("memory", 0)))


def qos_class(containers: list[Object]) -> str:
    """Guaranteed where each has limits of both CPU and memory that are its requests, BestEffort where none says anything."""
    said = [_resources(one) for one in containers]
    if not any(limits or requests for limits, requests in said):
        return "BestEffort"
    alike = all(limits.keys() == _COMPUTE and {**limits, **requests} == limits for limits, requests in said)
    return "Guaranteed" if alike else "Burstable"


def _resources(container: Object) -> tuple[dict[str, Decimal], dict[str, Decimal]]:
    held = container.get("resources") or {}
    limits, requests = (
        {name: quantities.parse(value) for name, value in (held.get(which) or {}).items() if name in _COMPUTE}
        for which in ("limits", "requests")
    )
    return {n: v for n, v in limits.items() if v}, {n: v for n, v in requests.items() if v}


def phase(policy: str, inits: list[Object], containers: list[Object]) -> str:
    """Pending, Running, Succeeded or Failed, from the containerStatuses."""
    if any(_failed_for_good(status, policy, init=True) for status in inits):
        return "Failed"
    if not all("terminated" in status["state"] and not _code(status) for status in inits):
        return "Pending"
    ended = [status for status in containers if "terminated" in status["state"]]
    if len(ended) == len(containers) and not any(restarts(policy, _code(status), init=False) for status in ended):
        return "Failed" if any(_code(status) for status in ended) else "Succeeded"
    begun = [status for status in containers if "waiting" not in status["state"] or status.get("lastState")]
    return "Running" if len(begun) == len(containers) else "Pending"


def _failed_for_good(status: Object, policy: str, *, init: bool) -> bool:
    return "terminated" in status["state"] and bool(_code(status)) and not restarts(policy, _code(status), init=init)


def _code(status: Object) -> int:
    return int(status["state"].get("terminated", {}).get("exitCode", 0))


def conditions(status: Object, now: str) -> list[Object]:
    """PodReadyToStartContainers, Initialized, Ready, ContainersReady, PodScheduled."""
    inits = status.get("initContainerStatuses") or []
    containers = status.get("containerStatuses") or []
    initialized = all("terminated" in item["state"] and not _code(item) for item in inits)
    unready = [item["name"] for item in containers if not item["ready"]]
    done = status["phase"] == "Succeeded"
    if done:
        why = {"reason": "PodCompleted"}
    elif unready or not containers:
        why = {"reason": "ContainersNotReady", "message": f"containers with unready status: [{' '.join(unready)}]"}
    else:
        why = {}
    ready = "False" if why else "True"
    uninitialized = {} if initialized else {"reason": "ContainersNotInitialized"}
    return [
        {"type": "PodReadyToStartContainers", "status": "True", "lastTransitionTime": now},
        {"type": "Initialized", "status": str(initialized), "lastTransitionTime": now} | uninitialized,
        {"type": "Ready", "status": ready, "lastTransitionTime": now} | why,
        {"type": "ContainersReady", "status": ready, "lastTransitionTime": now} | why,
        {"type": "PodScheduled", "status": "True", "lastTransitionTime": now},
    ]
