"""One sync of an autoscaler: what its target has and what its metrics propose → the number now, why, and conditions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from .metrics import Outcome
from .pace import Behavior, Bounds, History, Said, paced

SYNC_SECONDS = 15.0


@dataclass(frozen=True)
class Decision:
    """`why` says what a change is for; `said` are the conditions that are known anew, `events` (reason, message) of warnings.

    `measured` is False where the metrics allowed no decision: then `replicas` is what it was.
    """

    replicas: int
    why: str
    said: tuple[Said, ...]
    history: History
    events: tuple[tuple[str, str], ...] = ()
    measured: bool = True


class Rescale(NamedTuple):
    """What does not depend on any metric."""

    replicas: int
    why: str


FOUND = Said("AbleToScale", True, "SucceededGetScale", "the HPA controller was able to get the target's current scale")


def not_found(why: str) -> Said:
    text = f"the HPA controller was unable to get the target's current scale: {why}"
    return Said("AbleToScale", False, "FailedGetScale", text)


def ambiguous(current: int, selector: str, autoscalers: Sequence[str], history: History) -> Decision:
    """Several autoscalers would pull at the same Pods: none of them does."""
    text = f"pods by selector {selector} are controlled by multiple HPAs: [{' '.join(autoscalers)}]"
    said = (FOUND, Said("ScalingActive", False, "AmbiguousSelector", text))
    events = (("AmbiguousSelector", text), ("FailedComputeMetricsReplicas", text))
    return Decision(current, "", said, history, events, measured=False)


def not_updated(why: str) -> Said:
    text = f"the HPA controller was unable to update the target scale: {why}"
    return Said("AbleToScale", False, "FailedUpdateScale", text)


def rescaled(replicas: int) -> Said:
    text = f"the HPA controller was able to update the target scale to {replicas}"
    return Said("AbleToScale", True, "SucceededRescale", text)


def bounded(current: int, bounds: Bounds) -> Rescale | None:
    """Where the number is out of bounds, no metric is asked."""
    if current > bounds.most:
        return Rescale(bounds.most, "Current number of replicas above Spec.MaxReplicas")
    if current < bounds.least:
        return Rescale(bounds.least, "Current number of replicas below Spec.MinReplicas")
    return None


def decide(
    current: int,
    bounds: Bounds,
    behavior: Behavior | None,
    outcomes: Sequence[Outcome],
    history: History,
    now: float,
) -> Decision:
    """The highest proposal counts; a metric that fails stands in the way of scaling down."""
    history = history.begun(current, now)
    if current == 0:
        text = "scaling is disabled since the replica count of the target is zero"
        return Decision(0, "", (FOUND, Said("ScalingActive", False, "ScalingDisabled", text)), history)
    if beyond := bounded(current, bounds):
        return Decision(beyond.replicas, beyond.why, (FOUND,), history)
    failed = [outcome for outcome in outcomes if outcome.proposal is None]
    events = tuple((outcome.reason, outcome.failure) for outcome in failed)
    proposals = [(o.proposal.replicas, o.name) for o in outcomes if o.proposal is not None]
    best = max(proposals, key=lambda pair: pair[0], default=None)
    if best is None or (failed and best[0] < current):
        return _undecided(current, failed, len(outcomes), history, events)
    wanted, metric = best
    active = Said(
        "ScalingActive",
        True,
        "ValidMetricFound",
        f"the HPA was able to successfully calculate a replica count from {metric}",
    )
    made = paced(wanted, current, bounds, behavior, history, now)
    why = f"{metric} above target" if wanted > current else "All metrics below target" if wanted < current else ""
    return Decision(made.replicas, why, (FOUND, active, *made.said), made.history, events)


def _undecided(
    current: int, failed: Sequence[Outcome], of: int, history: History, events: tuple[tuple[str, str], ...]
) -> Decision:
    first = failed[0]
    text = f"the HPA was unable to compute the replica count: {first.failure}"
    error = f"failed to get {first.source} metric value: {first.failure}"
    total = f"invalid metrics ({len(failed)} invalid out of {of}), first error is: {error}"
    said = (FOUND, Said("ScalingActive", False, first.reason, text))
    return Decision(current, "", said, history, (*events, ("FailedComputeMetricsReplicas", total)), measured=False)


def remembering(history: History, by: int, behavior: Behavior | None, now: float) -> History:
    """After the target was changed: only policies ask how much, and when."""
    if behavior is None:
        return history
    longest = max(policy.period for rules in (behavior.up, behavior.down) for policy in rules.policies)
    return history.changed(by, now, longest)
