"""What was counted from look to look → a Finding for each criterion, valid at every look.

Harm is counted since the rollout began, because each look is compared within itself; that a candidate is no worse has to be
shown in each step anew, because another share of the traffic is another load.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from . import drift
from .criteria import CRITERIA, DRIFT, Criterion, Finding
from .harm import Harm
from .margin import worst
from .tally import Pair, Tally

# That a rollout goes back although the candidate is as good, ever; and that one goes on which is worse by a margin.
FALSE_ALARM, FALSE_PROOF = 0.01, 0.05


@dataclass(frozen=True)
class Look:
    """What came since the last one: (bad, total) of both versions by criterion, and how often each said which class."""

    counts: Mapping[str, Pair] = field(default_factory=dict)
    candidate_classes: Mapping[str, int] = field(default_factory=dict)
    baseline_classes: Mapping[str, int] = field(default_factory=dict)


class Evidence:
    """`steps` is how many there are at most. The false alarm is shared among the criteria; each is proven at the full level,
    since all that a step asks for have to be.
    """

    def __init__(self, steps: int, criteria: Sequence[Criterion] = CRITERIA, false_alarm: float = FALSE_ALARM) -> None:
        self.criteria, self._alarm = criteria, false_alarm / len(criteria)
        self._steps, self._harm = steps, {one.name: Harm(one.tolerated, one.most) for one in criteria}
        self.next_step()

    def next_step(self) -> None:
        self._totals = {one.name: Pair() for one in self.criteria}
        self._classes: tuple[Counter[str], Counter[str]] = (Counter(), Counter())

    def look(self, seen: Look) -> tuple[Finding, ...]:
        self._classes[0].update(seen.candidate_classes)
        self._classes[1].update(seen.baseline_classes)
        for name, pair in seen.counts.items():
            self._harm[name].look(pair)
            self._totals[name] = self._totals[name].plus(pair)
        return tuple(self._drift(one) if one.name == DRIFT else self._rate(one) for one in self.criteria)

    def _rate(self, criterion: Criterion) -> Finding:
        pair = self._totals[criterion.name]
        difference = worst(pair, FALSE_PROOF)
        return Finding(criterion, pair, self._harm[criterion.name].value, 1 / self._alarm, difference)

    def _drift(self, criterion: Criterion) -> Finding:
        candidate, baseline = self._classes
        apart = drift.at_least(candidate, baseline, self._alarm / self._steps)
        most = drift.at_most(candidate, baseline, FALSE_PROOF)
        return Finding(criterion, _furthest(candidate, baseline), apart, criterion.margin, most)


def _furthest(candidate: Counter[str], baseline: Counter[str]) -> Pair:
    """Of the class in which they differ most."""
    totals = candidate.total(), baseline.total()
    pairs = [
        Pair(Tally(candidate[name], totals[0]), Tally(baseline[name], totals[1]))
        for name in sorted({*candidate, *baseline})
    ]
    return max(pairs, key=lambda pair: abs(pair.candidate.share - pair.baseline.share), default=Pair())
