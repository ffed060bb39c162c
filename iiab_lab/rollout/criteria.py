"""What a candidate is judged by, as data, and what the counts so far say of it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from .tally import Pair

ERRORS, LATENCY, ACCURACY, DRIFT = "errors", "latency", "accuracy", "drift"


@dataclass(frozen=True)
class Criterion:
    """`margin`: by how much the share of bad requests (0 to 1) may be above the baseline's, of drift the total variation
    distance of the classes. `tolerated`: how many times the baseline's the odds of a bad request may be before it counts as
    harm. `most` is what one look can multiply the evidence of it by. `bad` says what a bad request is.
    """

    name: str
    margin: float
    bad: str
    tolerated: float = 1.0
    most: float = math.inf


CRITERIA = (
    Criterion(ERRORS, 0.05, "failed"),
    # Neighbours on a machine disturb one version or the other for a moment: twice the odds are nobody's fault, and what rolls
    # back has to be seen in three looks at least.
    Criterion(LATENCY, 0.10, "slow", tolerated=2.0, most=8.0),
    Criterion(ACCURACY, 0.05, "wrong"),
    Criterion(DRIFT, 0.25, "of the class that differs most"),
)


@dataclass(frozen=True)
class Finding:
    """One criterion at one look.

    `pair` are this step's counts. `statistic` is the evidence of harm since the rollout began (an e-value; of drift what the
    distance is at least), harm is shown from `bound` on. The candidate is worse by less than `worst`, which has to get below
    the margin.
    """

    criterion: Criterion
    pair: Pair
    statistic: float
    bound: float
    worst: float

    @property
    def harmful(self) -> bool:
        return self.statistic >= self.bound

    @property
    def proven(self) -> bool:
        return self.worst < self.criterion.margin

    @property
    def against(self) -> float:
        """The evidence of harm as a share of what rolls back: 1 and above does. Of an e-value in logarithms, never below 0."""
        if self.criterion.name == DRIFT:
            return self.statistic / self.bound
        return max(0.0, math.log(max(self.statistic, 1e-300)) / math.log(self.bound))

    @property
    def why(self) -> str:
        """One sentence with the numbers."""
        (candidate, baseline), criterion = self.pair, self.criterion
        seen = f"{criterion.name}: {candidate} {criterion.bad}, baseline {baseline}"
        if self.harmful and criterion.name == DRIFT:
            return (
                f"{seen}; the classes are at least {self.statistic:.0%} apart, and {criterion.margin:.0%} are allowed"
            )
        if self.harmful:
            return f"{seen}; e-value {self.statistic:,.0f} of {self.bound:,.0f}: the candidate does harm"
        if not candidate.total or not baseline.total:
            return f"{criterion.name}: candidate {candidate}, baseline {baseline}"
        points = f"at most {max(0.0, self.worst) * 100:.1f} points worse, and {criterion.margin * 100:.0f} are allowed"
        return f"{seen}; {points}"
