"""The steps of a release, as data, and what they expose at most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from ..errors import UsageError
from .criteria import ACCURACY, DRIFT, ERRORS, LATENCY
from .evidence import FALSE_PROOF
from .margin import needed


@dataclass(frozen=True)
class Step:
    """`percent` of the traffic, until the candidate has answered `requests` and is shown to be no worse than the margin in
    what the step `proves`; `seconds` at most, and then the release pauses. Harm is looked for in every criterion, always.
    """

    percent: int
    requests: int
    proves: tuple[str, ...]
    seconds: float = 60.0

    def __post_init__(self) -> None:
        if not 0 < self.percent < 100 or self.requests < 1 or self.seconds <= 0:
            raise UsageError(
                f"A step of {self.percent} %, {self.requests} requests, {self.seconds:g} s cannot be.",
                "1 to 99 %, a request or more, some seconds; all of the traffic comes with promotion",
            )


# The first is small and asks whether it works at all; the second is wide enough for what takes many requests to show. A margin of
# 5 points at the level of the proofs takes 131 requests without a fault.
STEPS = (
    Step(10, needed(0.05, FALSE_PROOF), (ERRORS,)),
    Step(50, 2 * needed(0.05, FALSE_PROOF), (ERRORS, LATENCY, ACCURACY, DRIFT)),
)


def check(steps: Sequence[Step]) -> None:
    """Raises UsageError unless the shares grow."""
    shares = [step.percent for step in steps]
    if not shares or any(after <= before for before, after in pairwise(shares)):
        raise UsageError(f"The shares {shares} do not grow.", "order the steps from the smallest to the largest")


def exposed_requests(steps: Sequence[Step], rate: float) -> list[float]:
    """Expected requests that the candidate gets at most until the end of each step, at `rate` requests/s."""
    sums, total = [], 0.0
    for step in steps:
        total += rate * step.seconds * step.percent / 100
        sums.append(total)
    return sums


def exposed_share(steps: Sequence[Step], seconds: Sequence[float]) -> float:
    """Of all requests while the release lasted: `seconds` spent in each step so far. Never above the last one's percent."""
    spent = sum(seconds)
    weighted = sum(step.percent * each for step, each in zip(steps, seconds, strict=False))
    return weighted / spent / 100 if spent else 0.0


def exposed_users(percent: float, requests_each: float) -> float:
    """The share of users who meet the candidate at least once, when every request draws its version anew; sticky sessions
    hold it at the percent.
    """
    return float(1 - (1 - percent / 100) ** requests_each)
