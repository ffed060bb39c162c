"""What Pods use and were promised, against a target → how many replicas that calls for.

Amounts are in thousandths: of a core, of a byte. A Pod without a sample counts as busy where the answer would be to scale
down and as idle where it would be to scale up, so that what is not known never moves the number. Kubernetes' replica_calculator.go.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

TOLERANCE = 0.1
# While a Pod starts it uses CPU that says nothing about its load.
CPU_INITIALIZATION_SECONDS = 300.0
INITIAL_READINESS_SECONDS = 30.0


@dataclass(frozen=True)
class Pod:
    """What counts of a Pod that the target's selector chooses. `ready` is None where it has no such condition."""

    name: str
    phase: str
    deleted: bool = False
    started: float | None = None
    ready: bool | None = None
    ready_since: float = 0.0  # when the condition Ready last changed


@dataclass(frozen=True)
class Sample:
    """`value` thousandths, over `window` seconds that ended at `timestamp`."""

    value: int
    timestamp: float
    window: float


@dataclass(frozen=True)
class Tolerance:
    """How far the ratio of use to target may be off before anything happens."""

    up: float = TOLERANCE
    down: float = TOLERANCE

    def holds(self, ratio: float) -> bool:
        return 1.0 - self.down <= ratio <= 1.0 + self.up


@dataclass(frozen=True)
class Proposal:
    """`average` is thousandths per Pod, `utilization` percent of the requests."""

    replicas: int
    average: int
    utilization: int | None = None


class Unmeasurable(Exception):
    """There is nothing to calculate from; the message is Kubernetes' own."""


@dataclass(frozen=True)
class Question:
    """Of one metric: which Pods, what they use, what is asked."""

    resource: str
    pods: Sequence[Pod]
    samples: Mapping[str, Sample]
    current: int
    tolerance: Tolerance
    now: float


def for_utilization(asked: Question, target: int, requests: Mapping[str, int]) -> Proposal:
    """`target` in percent of what the Pods request; `requests` in thousandths by Pod."""

    def share(values: Mapping[str, int]) -> float:
        return _percent(values, requests) / target

    full = {pod: request * max(100, target) // 100 for pod, request in requests.items()}
    measured = _measured(asked)
    average = sum(measured.values()) // len(measured)
    return Proposal(_replicas(asked, measured, share, full), average, _percent(measured, requests))


def for_average(asked: Question, target: int) -> Proposal:
    """`target` in thousandths per Pod."""

    def share(values: Mapping[str, int]) -> float:
        return sum(values.values()) / (target * len(values))

    measured = _measured(asked)
    full = {pod.name: target for pod in asked.pods}
    return Proposal(_replicas(asked, measured, share, full), sum(measured.values()) // len(measured))


def _percent(values: Mapping[str, int], requests: Mapping[str, int]) -> int:
    known = [pod for pod in values if pod in requests]
    requested = sum(requests[pod] for pod in known)
    if not requested:
        raise Unmeasurable("no metrics returned matched known pods")
    return sum(values[pod] for pod in known) * 100 // requested


def _measured(asked: Question) -> dict[str, int]:
    """What each Pod uses whose sample counts."""
    if not asked.samples:
        why = "no metrics returned from resource metrics API"
        raise Unmeasurable(f"unable to get metrics for resource {asked.resource}: {why}")
    if not asked.pods:
        raise Unmeasurable("no pods returned by selector while calculating replica count")
    _, unready, _, ignored = _grouped(asked)
    measured = {pod: s.value for pod, s in asked.samples.items() if pod not in unready | ignored}
    if not measured:
        raise Unmeasurable("did not receive metrics for targeted pods (pods might be unready)")
    return measured


def _replicas(
    asked: Question, measured: dict[str, int], share: Callable[[Mapping[str, int]], float], full: Mapping[str, int]
) -> int:
    ready, unready, missing, _ = _grouped(asked)
    ratio = share(measured)
    grows = bool(unready) and ratio > 1.0
    if not grows and not missing:
        return asked.current if asked.tolerance.holds(ratio) else math.ceil(ratio * ready)
    guessed = dict(measured)
    if ratio != 1.0:
        guessed |= {pod: full.get(pod, 0) if ratio < 1.0 else 0 for pod in missing}
    guessed |= dict.fromkeys(unready, 0) if grows else {}
    again = share(guessed)
    if asked.tolerance.holds(again) or (ratio < 1.0 < again) or (again < 1.0 < ratio):
        return asked.current
    replicas = math.ceil(again * len(guessed))
    turned = (again < 1.0 and replicas > asked.current) or (again > 1.0 and replicas < asked.current)
    return asked.current if turned else replicas


def _grouped(asked: Question) -> tuple[int, set[str], set[str], set[str]]:
    """(how many are ready, the names of the unready, of those without a sample, of those that do not count)."""
    ready, unready, missing, ignored = 0, set(), set(), set()
    for pod in asked.pods:
        if pod.deleted or pod.phase == "Failed":
            ignored.add(pod.name)
        elif pod.phase == "Pending":
            unready.add(pod.name)
        elif pod.name not in asked.samples:
            missing.add(pod.name)
        elif asked.resource == "cpu" and _starting(pod, asked.samples[pod.name], asked.now):
            unready.add(pod.name)
        else:
            ready += 1
    return ready, unready, missing, ignored


def _starting(pod: Pod, sample: Sample, now: float) -> bool:
    if pod.ready is None or pod.started is None:
        return True
    if pod.started + CPU_INITIALIZATION_SECONDS > now:
        return not pod.ready or sample.timestamp < pod.ready_since + sample.window
    return not pod.ready and pod.started + INITIAL_READINESS_SECONDS > pod.ready_since
