"""Successes of two versions in an A/B test → both rates, the effect with its interval, and an exact p-value.

For one look, at the end, at a number of users fixed before: asked again and again these numbers lie, which is what `harm` and
`margin` are for. Users count, not requests: those of one user depend on each other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from scipy.stats import barnard_exact, binomtest, fisher_exact

from ..errors import UsageError

if TYPE_CHECKING:
    import pandas

_FEW = 200  # users of a version up to which Barnard's test takes no time; it finds more than Fisher's
_SURE = 0.95


@dataclass(frozen=True)
class Outcome:
    """(successes, users) of A and B. `effect` is B's rate less A's, between `low` and `high` at 95 %."""

    a: tuple[int, int]
    b: tuple[int, int]
    effect: float
    low: float
    high: float
    p_value: float
    test: str

    def frame(self) -> pandas.DataFrame:
        """One row per version: successes, users, rate, and its Wilson interval at 95 %."""
        import pandas

        rows = [(*one, one[0] / one[1], *_wilson(*one)) for one in (self.a, self.b)]
        return pandas.DataFrame(rows, index=["A", "B"], columns=["successes", "users", "rate", "low", "high"])

    def __str__(self) -> str:
        points = ", ".join(f"{100 * value:+.1f}" for value in (self.low, self.high))
        return f"B - A: {100 * self.effect:+.1f} points (95 %: {points}), p = {self.p_value:.3g} ({self.test})"


def ab(a: tuple[int, int], b: tuple[int, int]) -> Outcome:
    """Barnard's exact test up to 200 users of each, Fisher's beyond; the interval is Newcombe's (1998, method 10).

    Raises UsageError for numbers that cannot be.
    """
    for successes, users in (a, b):
        if not 0 <= successes <= users or not users:
            raise UsageError(f"{successes} of {users} cannot be.", "(successes, users), with one user or more")
    (low_a, high_a), (low_b, high_b) = _wilson(*a), _wilson(*b)
    rate_a, rate_b = a[0] / a[1], b[0] / b[1]
    below = ((rate_b - low_b) ** 2 + (high_a - rate_a) ** 2) ** 0.5
    above = ((high_b - rate_b) ** 2 + (rate_a - low_a) ** 2) ** 0.5
    effect, test = rate_b - rate_a, "Barnard" if max(a[1], b[1]) <= _FEW else "Fisher"
    return Outcome(a, b, effect, effect - below, effect + above, _p_value(a, b, test), test)


def _p_value(a: tuple[int, int], b: tuple[int, int], test: str) -> float:
    table = [[a[0], b[0]], [a[1] - a[0], b[1] - b[0]]]
    if 0 in (sum(table[0]), sum(table[1])):
        return 1.0  # all or none succeeded: there is nothing to tell them apart by
    return float((barnard_exact if test == "Barnard" else fisher_exact)(table).pvalue)


def _wilson(successes: int, users: int) -> tuple[float, float]:
    found = binomtest(successes, users).proportion_ci(_SURE, method="wilson")
    return float(found.low), float(found.high)
