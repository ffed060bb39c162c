"""A shape of load → the moments at which its requests are due. Arithmetic alone: no clock, no I/O.

Every open shape is a row of pieces in which the rate goes straight from one number to another, so the number of
arrivals up to any moment, and the moment of any arrival, are exact.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from random import Random
from typing import Any

from ...errors import UsageError

LONGEST, FASTEST = 86_400.0, 1e6
_CURVE = 64  # pieces of one period of a sine; over whole periods their mean is the sine's to the last digit
_NOTHING = 1e-9  # of an arrival: what rounding may add to a sum


@dataclass(frozen=True)
class Piece:
    """`seconds` in which the rate (requests/s) goes straight from `start` to `end`."""

    seconds: float
    start: float
    end: float

    @property
    def arrivals(self) -> float:
        return self.seconds * (self.start + self.end) / 2

    def when(self, arrivals: float) -> float:
        """The second by which so many arrivals have come: the root of start·t + slope·t²/2, free of cancellation."""
        if arrivals <= 0:
            return 0.0
        slope = (self.end - self.start) / self.seconds
        return 2 * arrivals / (self.start + math.sqrt(max(0.0, self.start**2 + 2 * slope * arrivals)))


@dataclass(frozen=True)
class Phase:
    """One part of a plan: open loop in the shape of `pieces`, or, where `concurrency` is set, closed loop.

    Open loop: requests are due when the shape says, whatever the answers do. Closed loop: so many users, each of whom
    sends the next request when the last is answered. With a `seed`, arrivals are random. Raises UsageError for numbers no
    run could follow.
    """

    name: str
    pieces: tuple[Piece, ...]
    concurrency: int = 0
    seed: int | None = None

    def __post_init__(self) -> None:
        rates = [rate for piece in self.pieces for rate in (piece.start, piece.end)]
        if not all(0 <= rate <= FASTEST for rate in rates):
            raise UsageError(f"{self.name}: a rate is out of bounds.", f"stay between 0 and {FASTEST:,.0f} requests/s")
        if not (all(piece.seconds > 0 for piece in self.pieces) and 0 < self.seconds <= LONGEST):
            raise UsageError(f"{self.name}: a phase needs a length.", f"more than 0 and at most {LONGEST:.0f} seconds")
        if self.concurrency < 0:
            raise UsageError(f"{self.name}: {self.concurrency} users cannot be.", "a concurrency of 1 or more")

    @classmethod
    def constant(cls, name: str, rate: float, seconds: float) -> Phase:
        return cls(name, (Piece(seconds, rate, rate),))

    @classmethod
    def ramp(cls, name: str, start: float, end: float, seconds: float) -> Phase:
        return cls(name, (Piece(seconds, start, end),))

    @classmethod
    def step(cls, name: str, start: float, end: float, seconds: float, steps: int = 5) -> Phase:
        """Stairs of equal length, the first at `start`, the last at `end`."""
        if steps < 2:
            raise UsageError(f"{name}: {steps} steps are no stairs.", "2 steps or more, or a constant rate")
        last = steps - 1
        rates = [(start * (last - index) + end * index) / last for index in range(steps)]
        return cls(name, tuple(Piece(seconds / steps, rate, rate) for rate in rates))

    @classmethod
    def spike(cls, name: str, base: float, peak: float, seconds: float, width: float = 0.0) -> Phase:
        """`base`, for `width` seconds in the middle `peak` (a fifth of the phase, if not said), and `base` again."""
        width = width or seconds / 5
        if not 0 < width < seconds:
            raise UsageError(f"{name}: a spike of {width:g} s has no place in {seconds:g} s.", "make it narrower")
        side = Piece((seconds - width) / 2, base, base)
        return cls(name, (side, Piece(width, peak, peak), side))

    @classmethod
    def sine(cls, name: str, low: float, high: float, seconds: float, period: float = 0.0) -> Phase:
        """From the mean up to `high`, down to `low` and back, every `period` seconds (once, if not said)."""
        period, middle, swing = period or seconds, (low + high) / 2, (high - low) / 2
        if min(low, high) < 0:
            raise UsageError(f"{name}: a rate cannot be below 0.", "a wave between 0 and more")
        if not period > 0 or seconds / period > LONGEST / _CURVE:
            raise UsageError(f"{name}: a period of {period:g} s cannot be.", "some seconds")
        count = max(1, round(_CURVE * seconds / period))
        edges = [seconds * index / count for index in range(count + 1)]
        rates = [middle + swing * math.sin(math.tau * edge / period) for edge in edges]
        pieces = (Piece(seconds / count, max(0.0, a), max(0.0, b)) for a, b in pairwise(rates))
        return cls(name, tuple(pieces))

    @classmethod
    def closed(cls, name: str, concurrency: int, seconds: float) -> Phase:
        if concurrency < 1:
            raise UsageError(f"{name}: {concurrency} users cannot be.", "a concurrency of 1 or more")
        return cls(name, (Piece(seconds, 0.0, 0.0),), concurrency)

    def poisson(self, seed: int = 0) -> Phase:
        """The same rates with independent arrivals, as many people who know nothing of each other make them.

        One seed gives the same arrivals each time, and phases of different names different ones. A closed loop stays.
        """
        return self if self.concurrency else replace(self, seed=seed)

    @property
    def seconds(self) -> float:
        return sum(piece.seconds for piece in self.pieces)

    @property
    def arrivals(self) -> float:
        """How many the shape integrates to: expected with Poisson arrivals, else rounded up. 0 for a closed loop."""
        return sum(piece.arrivals for piece in self.pieces)

    def times(self) -> Iterator[float]:
        """When requests are due, in seconds after the phase began: when a whole number of arrivals has come.

        With Poisson arrivals those numbers are a unit-rate Poisson process, which makes one of this shape's rate
        (inversion of the cumulative rate: Çinlar, Introduction to Stochastic Processes, 1975).
        """
        chance = Random(f"{self.seed}/{self.name}")  # noqa: S311 - repeatable, not secret
        gap = (lambda: 1.0) if self.seed is None else (lambda: chance.expovariate(1.0))
        begun = past = 0.0
        wanted = 0.0 if self.seed is None else gap()
        for piece in self.pieces:
            while wanted < past + piece.arrivals - _NOTHING:
                yield begun + piece.when(wanted - past)
                wanted += gap()
            begun, past = begun + piece.seconds, past + piece.arrivals

    def to_json(self) -> dict[str, Any]:
        pieces = [[piece.seconds, piece.start, piece.end] for piece in self.pieces]
        return {"name": self.name, "pieces": pieces, "concurrency": self.concurrency, "seed": self.seed}

    @classmethod
    def from_json(cls, said: dict[str, Any]) -> Phase:
        return cls(**said | {"pieces": tuple(Piece(*piece) for piece in said["pieces"])})


def starts(phases: Sequence[Phase]) -> list[float]:
    """The second of the plan at which each phase begins, and the one at which the plan is over."""
    found = [0.0]
    for phase in phases:
        found.append(found[-1] + phase.seconds)
    return found
