"""How many of how many: what every test here counts."""

from __future__ import annotations

from typing import NamedTuple


class Tally(NamedTuple):
    """`bad` of `total` requests: failed, slow, wrong, or answered with a class; whole numbers."""

    bad: int = 0
    total: int = 0

    def plus(self, other: Tally) -> Tally:
        return Tally(self.bad + other.bad, self.total + other.total)

    @property
    def share(self) -> float:
        """0.0 of nothing."""
        return self.bad / self.total if self.total else 0.0

    def __str__(self) -> str:
        return f"{self.bad} of {self.total} ({self.share:.1%})" if self.total else "nothing yet"


class Pair(NamedTuple):
    """The same count of both versions, over the same seconds."""

    candidate: Tally = Tally()
    baseline: Tally = Tally()

    def plus(self, other: Pair) -> Pair:
        return Pair(self.candidate.plus(other.candidate), self.baseline.plus(other.baseline))
