"""spec.metrics of an autoscaler, the Pods it scales and what they use → a proposal or a failure for each metric.

Of the types, Resource and ContainerResource; the words of every failure are Kubernetes'.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from ...objects import quantities
from ...objects.conditions import find
from ...objects.meta import Object
from ...objects.sandbox import Usage
from ...objects.times import seconds
from . import replicas
from .replicas import Proposal, Question, Tolerance, Unmeasurable

Usages = Mapping[str, Mapping[str, Usage]]  # Pod → container → what it uses
_WHAT = {True: "utilization", False: "usage"}


@dataclass(frozen=True)
class Observed:
    """What the target has, and what all its Pods use."""

    pods: Sequence[Object]
    usages: Usages
    current: int
    tolerance: Tolerance
    now: float


@dataclass(frozen=True)
class Outcome:
    """Of one metric: its names in messages, and either a proposal with its status, or why there is none."""

    name: str
    source: str
    proposal: Proposal | None = None
    status: Object | None = None
    reason: str = ""
    failure: str = ""


def evaluated(spec: Object, observed: Observed) -> list[Outcome]:
    """In the order of spec.metrics."""
    return [_evaluated(metric, observed) for metric in spec["metrics"]]


def tolerance(spec: Object) -> Tolerance:
    """`spec.behavior.scaleUp.tolerance` and its twin are quantities: 0.05, or 50m."""
    behavior = spec.get("behavior") or {}
    up, down = ((behavior.get(way) or {}).get("tolerance", replicas.TOLERANCE) for way in ("scaleUp", "scaleDown"))
    return Tolerance(float(quantities.parse(up)), float(quantities.parse(down)))


def _evaluated(metric: Object, observed: Observed) -> Outcome:
    field = "resource" if metric["type"] == "Resource" else "containerResource"
    source = metric[field]
    resource, container, target = source["name"], source.get("container", ""), source["target"]
    kind = "container resource" if container else "resource"
    by_share = "averageUtilization" in target
    name = f"{resource} {kind} utilization (percentage of request)" if by_share else f"{resource} {kind}"
    source_name = f"{resource} {'container' if container else 'resource'}"
    try:
        proposal = _proposed(resource, container, target, observed)
    except Unmeasurable as error:
        reason = "FailedGetContainerResourceMetric" if container else "FailedGetResourceMetric"
        return Outcome(name, source_name, reason=reason, failure=f"failed to get {resource} {_WHAT[by_share]}: {error}")
    current: Object = {"averageValue": quantities.text(Decimal(proposal.average) / 1000)}
    current |= {"averageUtilization": proposal.utilization} if proposal.utilization is not None else {}
    same = {"name": resource} | ({"container": container} if container else {})
    return Outcome(name, source_name, proposal, {"type": metric["type"], field: same | {"current": current}})


def _proposed(resource: str, container: str, target: Object, observed: Observed) -> Proposal:
    samples = _samples(resource, container, observed)
    pods = [pod_of(pod) for pod in observed.pods]
    asked = Question(resource, pods, samples, observed.current, observed.tolerance, observed.now)
    if "averageUtilization" in target:
        return replicas.for_utilization(
            asked, target["averageUtilization"], _requests(resource, container, observed.pods)
        )
    return replicas.for_average(asked, thousandths(target["averageValue"]))


def pod_of(pod: Object) -> replicas.Pod:
    meta, status = pod["metadata"], pod.get("status") or {}
    ready = find(pod, "Ready")
    return replicas.Pod(
        meta["name"],
        status.get("phase", "Pending"),
        bool(meta.get("deletionTimestamp")),
        seconds(status["startTime"]) if status.get("startTime") else None,
        ready["status"] == "True" if ready else None,
        seconds(ready["lastTransitionTime"]) if ready else 0.0,
    )


def thousandths(quantity: Any) -> int:
    """Rounded up, as Quantity.MilliValue."""
    return math.ceil(quantities.parse(quantity) * 1000)


def _samples(resource: str, container: str, observed: Observed) -> dict[str, replicas.Sample]:
    """Of each Pod that has them: of the container, or of all its containers together."""
    made = {}
    for pod in observed.pods:
        name, used = pod["metadata"]["name"], observed.usages.get(pod["metadata"]["name"]) or {}
        if not used:
            continue
        if container and container not in used:
            why = f"container {container} not present in metrics for pod {pod['metadata']['namespace']}/{name}"
            raise Unmeasurable(f"unable to get metrics for resource {resource}: failed to get container metrics: {why}")
        chosen = [usage for key, usage in used.items() if container in ("", key)]
        value = sum(math.ceil(u.cpu * 1000) if resource == "cpu" else u.memory * 1000 for u in chosen)
        oldest = min(chosen, key=lambda usage: usage.timestamp)
        made[name] = replicas.Sample(value, oldest.timestamp, oldest.window)
    return made


def _requests(resource: str, container: str, pods: Sequence[Object]) -> dict[str, int]:
    """What each Pod asks for; every container has to say it."""
    made = {}
    for pod in pods:
        name = pod["metadata"]["name"]
        chosen = [c for c in pod["spec"]["containers"] if container in ("", c["name"])]
        if not chosen:
            raise Unmeasurable(f"container {container} not found in Pod {name}")
        made[name] = sum(_request(resource, c, name) for c in chosen)
    return made


def _request(resource: str, container: Object, pod: str) -> int:
    resources = container.get("resources") or {}
    # What is not asked for, but limited, is asked for up to the limit.
    asked = {**(resources.get("limits") or {}), **(resources.get("requests") or {})}
    if resource not in asked:
        raise Unmeasurable(f"missing request for {resource} in container {container['name']} of Pod {pod}")
    return thousandths(asked[resource])
