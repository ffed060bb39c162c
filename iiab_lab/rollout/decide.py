"""A step and what is known by now → go on, wait, pause or go back, with the reason. Pure: no clock, no I/O."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .criteria import ACCURACY, DRIFT, LATENCY, Finding
from .steps import Step


@dataclass(frozen=True)
class Decision:
    why: str

    def __str__(self) -> str:
        return _NAMES[type(self)]


class Promote(Decision):
    """To the next step; after the last, to all of the traffic."""


class Hold(Decision):
    """Look again."""


class Pause(Decision):
    """Out of time, neither good nor bad: the weights stay, and a person decides."""


class RollBack(Decision):
    """The baseline takes everything."""


_NAMES = {Promote: "promote", Hold: "hold", Pause: "pause", RollBack: "roll back"}
# What to look at where nothing was counted at all.
_CURES = {
    LATENCY: "the baseline has to answer requests before the first step",
    ACCURACY: "tell the model the truth: POST /v1/models/NAME/feedback",
    DRIFT: "the model server has to count its predictions on /metrics",
}
_TRAFFIC = "is there any traffic?"


def decide(step: Step, findings: Sequence[Finding], requests: int, seconds: float) -> Decision:
    """`requests` were answered by the candidate, and `seconds` went by, since the step began.

    Harm comes first, whatever else is known; a good candidate waits only for its own evidence.
    """
    harmful = [finding.why for finding in findings if finding.harmful]
    if harmful:
        return RollBack("; ".join(harmful))
    missing = _missing(step, findings, requests)
    if not missing:
        return Promote("; ".join(finding.why for finding in findings if finding.criterion.name in step.proves))
    if seconds >= step.seconds:
        return Pause(f"not shown within {step.seconds:.0f} s: {missing}")
    return Hold(missing)


def _missing(step: Step, findings: Sequence[Finding], requests: int) -> str:
    """What the step still waits for; nothing, if nothing."""
    reasons = []
    if requests < step.requests:
        reasons.append(f"the candidate answered {requests} of {step.requests} requests")
    known = {finding.criterion.name: finding for finding in findings}
    for name in step.proves:
        finding = known.get(name)
        if finding is None or not finding.pair.candidate.total or not finding.pair.baseline.total:
            reasons.append(f"{name}: nothing was counted ({_CURES.get(name, _TRAFFIC)})")
        elif not finding.proven:
            reasons.append(finding.why)
    return "; ".join(reasons)
