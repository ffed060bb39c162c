"""Counts of both versions, look after look → is the candidate worse? Valid however often one looks, and whenever one stops.

Each look is a 2×2 table. Given how many requests went bad in it, how many of those were the candidate's follows Fisher's
noncentral hypergeometric law, which knows only the odds ratio: the rate itself, and that it changes from minute to minute
for both versions alike, cancels out, as does the split of the traffic. The likelihood ratio of a larger odds ratio against
the tolerated one is an e-value, the product over looks an e-process (a bet that was fair if the candidate is not worse),
and the mean over several odds ratios is one too. By Ville's inequality it ever reaches 1/alpha with probability alpha at most.

Sources: Fisher (1935), The logic of inductive inference; Ville (1939), Étude critique de la notion de collectif; Ramdas,
Grünwald, Vovk, Shafer (2023), Game-theoretic statistics and safe anytime-valid inference, Statistical Science 38(4).
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy
from scipy.special import gammaln, logsumexp

from .tally import Pair

# How many times the tolerated odds are bet on, in equal parts.
_RATIOS = numpy.array([1.5, 2.0, 4.0, 8.0, 16.0, 32.0])


class Harm:
    """The e-process of "the odds that a request goes bad are at most `tolerated` times the baseline's".

    Assumes that requests of one look are independent of each other. Where they are not, because what slows one slows its
    neighbours, `most` bounds what a single look can multiply the evidence by: a bet that pays less stays fair. `value` starts
    at 1; it grows with every bad request that the candidate has more than its share. 4 failed of 30 at 10 % of the traffic,
    none of 270: about 1,000.
    """

    def __init__(self, tolerated: float = 1.0, most: float = math.inf) -> None:
        self._tolerated, self._most, self._logs = tolerated, math.log(most), numpy.zeros(len(_RATIOS))

    def look(self, pair: Pair) -> float:
        """Takes what came since the last look → the value."""
        (bad, total), (bad_before, total_before) = pair
        all_bad = bad + bad_before
        if total and total_before and all_bad:
            ways = _log_ways(total, total_before, all_bad)
            steps = numpy.arange(max(0, all_bad - total_before), min(total, all_bad) + 1)
            odds = numpy.log(self._tolerated * numpy.array([1.0, *_RATIOS]))
            sums = logsumexp(ways[None, :] + odds[:, None] * steps[None, :], axis=1)
            self._logs += numpy.minimum(self._most, bad * numpy.log(_RATIOS) - (sums[1:] - sums[0]))
        return self.value

    @property
    def value(self) -> float:
        """Capped where a float ends."""
        return math.exp(min(700.0, float(logsumexp(self._logs)) - math.log(len(_RATIOS))))


def harm(looks: Iterable[Pair], tolerated: float = 1.0, most: float = math.inf) -> float:
    """The value after all of them."""
    process = Harm(tolerated, most)
    for pair in looks:
        process.look(pair)
    return process.value


def _log_ways(total: int, total_before: int, bad: int) -> numpy.ndarray:
    """log of C(total, x)·C(total_before, bad - x), for every x there can be."""
    steps = numpy.arange(max(0, bad - total_before), min(total, bad) + 1)
    return _log_choose(total, steps) + _log_choose(total_before, bad - steps)


def _log_choose(total: int, some: numpy.ndarray) -> numpy.ndarray:
    chosen: numpy.ndarray = gammaln(total + 1) - gammaln(some + 1) - gammaln(total - some + 1)
    return chosen
