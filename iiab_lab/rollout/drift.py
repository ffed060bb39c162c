"""How often each version answered with which class → between what their total variation distance lies, at every look.

The distance of two distributions is the largest difference in probability of any set of classes, so it is bounded by the
bounds of those differences: below a margin if every set's is, above one if some set's is. With more than `_FEW` classes
only single classes are looked at, and the distance is at most half the sum of their differences.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations

from .margin import least, worst
from .tally import Pair, Tally

_FEW = 6

Classes = Mapping[str, int]  # class → how often


def at_most(candidate: Classes, baseline: Classes, level: float) -> float:
    """The distance is below this at every look, with probability 1 - `level`: 1.0 of nothing."""
    names = _names(candidate, baseline)
    if len(names) > _FEW:
        differences = [_widest(pair, level / len(names)) for pair in _pairs(candidate, baseline, _singles(names))]
        return min(1.0, sum(differences) / 2)
    # No level is shared: that the largest difference is at the margin or above is one hypothesis, ruled out by its own set.
    return min(1.0, max((worst(pair, level) for pair in _pairs(candidate, baseline, _sets(names))), default=1.0))


def at_least(candidate: Classes, baseline: Classes, level: float) -> float:
    """The distance is above this at every look, with probability 1 - `level`; the level is shared by the sets: 0.0 of nothing."""
    names = _names(candidate, baseline)
    sets = list(_sets(names) if len(names) <= _FEW else _singles(names))
    found = [least(pair, level / len(sets)) for pair in _pairs(candidate, baseline, sets)]
    return max(0.0, *found) if found else 0.0


def distance(candidate: Classes, baseline: Classes) -> float:
    """As observed; 0.0 where one of them has nothing."""
    totals = sum(candidate.values()), sum(baseline.values())
    if not all(totals):
        return 0.0
    names = {*candidate, *baseline}
    return sum(abs(candidate.get(n, 0) / totals[0] - baseline.get(n, 0) / totals[1]) for n in names) / 2


def _names(candidate: Classes, baseline: Classes) -> list[str]:
    """Of a single class there is still the other that nobody has seen."""
    names = sorted({*candidate, *baseline})
    return [*names, ""] if len(names) == 1 else names


def _widest(pair: Pair, level: float) -> float:
    return max(worst(pair, level), -least(pair, level))


def _sets(names: list[str]) -> Iterator[tuple[str, ...]]:
    """All that are neither empty nor everything: with each, its opposite, so one side of each is enough."""
    for size in range(1, len(names)):
        yield from combinations(names, size)


def _singles(names: list[str]) -> Iterator[tuple[str, ...]]:
    yield from ((name,) for name in names)


def _pairs(
    candidate: Classes, baseline: Classes, sets: Iterator[tuple[str, ...]] | list[tuple[str, ...]]
) -> list[Pair]:
    totals = sum(candidate.values()), sum(baseline.values())
    return [
        Pair(
            Tally(sum(candidate.get(name, 0) for name in some), totals[0]),
            Tally(sum(baseline.get(name, 0) for name in some), totals[1]),
        )
        for some in sets
    ]
