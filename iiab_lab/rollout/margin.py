"""Totals of both versions → between what the rates lie, and by how much the candidate could be worse at most.

A confidence sequence: an interval that holds the true rate at every look at once with probability 1 - alpha, so one may stop
whenever it is narrow enough. It inverts the mixture martingale of Robbins, with the Beta(½, ½) mixture of Krichevsky and
Trofimov: all rates p for which ∫ θ^k (1-θ)^(n-k) dBeta(θ) < p^k (1-p)^(n-k) / alpha.

Sources: Robbins (1970), Statistical methods related to the law of the iterated logarithm, Ann. Math. Statist. 41(5);
Krichevsky, Trofimov (1981), The performance of universal encoding, IEEE Trans. Inf. Theory 27(2); Howard, Ramdas, McAuliffe,
Sekhon (2021), Time-uniform, nonparametric, nonasymptotic confidence sequences, Ann. Statist. 49(2).
"""

from __future__ import annotations

import math

from scipy.optimize import brentq
from scipy.special import betaln, xlog1py, xlogy

from .tally import Pair, Tally

_HALF = 0.5


def interval(tally: Tally, level: float) -> tuple[float, float]:
    """(low, high) of a rate, right at every look with probability 1 - `level`. Assumes one rate, that of all `total`.

    (0, 1) of nothing; of 130 good ones, at level 0.025, (0, 0.050).
    """
    bad, total = tally
    if not total:
        return 0.0, 1.0
    evidence = betaln(bad + _HALF, total - bad + _HALF) - betaln(_HALF, _HALF)

    def excess(rate: float) -> float:
        """Above 0 where the rate is ruled out."""
        log_likelihood = xlogy(bad, rate) + xlog1py(total - bad, -rate)
        return float(evidence - log_likelihood + math.log(level))

    tiny, best = 1e-12, bad / total
    low = 0.0 if excess(tiny) <= 0 else brentq(excess, tiny, max(best, 2 * tiny))
    high = 1.0 if excess(1 - tiny) <= 0 else brentq(excess, min(best, 1 - 2 * tiny), 1 - tiny)
    return float(low), float(high)


def worst(pair: Pair, level: float) -> float:
    """The difference candidate - baseline is below this at every look, with probability 1 - `level`."""
    return interval(pair.candidate, level / 2)[1] - interval(pair.baseline, level / 2)[0]


def least(pair: Pair, level: float) -> float:
    """The difference candidate - baseline is above this at every look, with probability 1 - `level`."""
    return interval(pair.candidate, level / 2)[0] - interval(pair.baseline, level / 2)[1]


def needed(margin: float, level: float) -> int:
    """How many requests of the candidate, if all are good, show that it is less than `margin` worse."""
    low, high = 1, 2
    while worst(Pair(Tally(0, high), Tally(0, 1)), level) >= margin:
        low, high = high, 2 * high
    while low < high:
        middle = (low + high) // 2
        proven = worst(Pair(Tally(0, middle), Tally(0, 1)), level) < margin
        low, high = (low, middle) if proven else (middle + 1, high)
    return low
