"""The bet against a candidate: fair if it is not worse, exactly; and a good one if it is."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, hypergeom, nchypergeom_fisher

from iiab_lab.rollout.harm import Harm, harm
from iiab_lab.rollout.tally import Pair, Tally

ALPHA = 0.05


def pair(bad: int, total: int, bad_before: int, total_before: int) -> Pair:
    return Pair(Tally(bad, total), Tally(bad_before, total_before))


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 40), st.integers(1, 200), st.integers(0, 240), st.sampled_from([1.0, 2.0]))
def test_a_look_is_a_fair_bet_at_the_tolerated_odds(total: int, before: int, bad: int, tolerated: float) -> None:
    """The expectation over what may be the candidate's part of the bad ones is 1, to the last digit."""
    bad = min(bad, total + before)
    steps = range(max(0, bad - before), min(total, bad) + 1)
    chances = nchypergeom_fisher(total + before, bad, total, tolerated)
    expected = sum(chances.pmf(x) * harm([pair(x, total, bad - x, before)], tolerated) for x in steps)
    assert expected == pytest.approx(1.0, rel=1e-6)


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 40), st.integers(1, 200), st.integers(1, 240))
def test_it_is_an_unfavourable_bet_against_a_better_candidate(total: int, before: int, bad: int) -> None:
    bad = min(bad, total + before)
    steps = range(max(0, bad - before), min(total, bad) + 1)
    chances = nchypergeom_fisher(total + before, bad, total, 0.5)
    assert sum(chances.pmf(x) * harm([pair(x, total, bad - x, before)]) for x in steps) <= 1 + 1e-9


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 60), st.integers(1, 60), st.integers(0, 120))
def test_every_bad_request_more_of_the_candidates_is_more_evidence(total: int, before: int, bad: int) -> None:
    bad = min(bad, total + before)
    steps = range(max(0, bad - before), min(total, bad) + 1)
    values = [harm([pair(x, total, bad - x, before)]) for x in steps]
    assert all(b >= a * (1 - 1e-12) for a, b in pairwise(values))


def looks(rate: float, rate_before: float, share: float, count: int, chance: numpy.random.Generator) -> list[Pair]:
    """Looks at 100 requests a second each, of which the candidate draws its share."""
    made = []
    for _ in range(count):
        total = int(chance.binomial(100, share))
        bad, before = chance.binomial(total, rate), chance.binomial(100 - total, rate_before)
        made.append(pair(int(bad), total, int(before), 100 - total))
    return made


def highest(stream: list[Pair]) -> float:
    process = Harm()
    return max(process.look(one) for one in stream)


@pytest.mark.parametrize("rate", [0.002, 0.3, pytest.param(0.04, marks=pytest.mark.soak)])
def test_an_equal_candidate_is_accused_no_more_often_than_the_level_however_often_one_looks(rate: float) -> None:
    """200 streams of 60 looks each. Fisher's exact test, asked again at each look, accuses several times as many."""
    chance = numpy.random.default_rng(1)
    streams = [looks(rate, rate, 0.1, 60, chance) for _ in range(200)]
    accused = sum(highest(stream) >= 1 / ALPHA for stream in streams)
    assert accused <= binom.isf(1e-6, 200, ALPHA)
    if rate == 0.04:
        assert sum(naive(stream) for stream in streams) > 2 * ALPHA * 200


def naive(stream: list[Pair]) -> bool:
    total, accused = Pair(), False
    for one in stream:
        total = total.plus(one)
        (bad, count), (bad_before, before) = total
        accused |= bool(hypergeom(count + before, bad + bad_before, count).sf(bad - 1) < ALPHA)
    return accused


def test_a_rate_that_changes_for_both_alike_is_no_evidence() -> None:
    """A bad minute hits both, while the candidate's share grows: pooled, it would look like the candidate's fault."""
    chance = numpy.random.default_rng(2)
    accused = 0
    for _ in range(200):
        stream = looks(0.0, 0.0, 0.1, 20, chance) + looks(0.2, 0.2, 0.5, 20, chance)
        accused += highest(stream) >= 1 / ALPHA
    assert accused <= binom.isf(1e-6, 200, ALPHA)


@pytest.mark.parametrize(
    ("rate", "before", "share", "seconds", "power"),
    [
        (0.14, 0.0, 0.1, 8, 0.95),  # a version that fails on a seventh of its inputs
        (0.03, 0.0, 0.1, 40, 0.9),
        (0.37, 0.04, 0.1, 8, 0.95),  # wrong on a third
        (0.10, 0.04, 0.5, 25, 0.9),
    ],
)
def test_its_power_at_the_level_of_a_rollout(
    rate: float, before: float, share: float, seconds: int, power: float
) -> None:
    """At 100 requests/s, of 100 streams so many reach 400, the bound of one criterion of four at 1 %."""
    chance = numpy.random.default_rng(3)
    found = sum(highest(looks(rate, before, share, seconds, chance)) >= 400 for _ in range(100))
    assert found >= power * 100


def test_a_stall_of_one_moment_is_not_enough_where_a_look_is_bounded() -> None:
    stall = pair(30, 30, 0, 70)
    assert harm([stall]) > 1e6
    assert [harm([stall] * count, most=8.0) for count in (1, 2, 3)] == pytest.approx([8, 64, 512])


def test_nothing_is_learnt_where_nothing_differs_or_nobody_answers() -> None:
    for one in (pair(0, 10, 0, 90), pair(0, 0, 9, 90), pair(10, 10, 0, 0)):
        assert harm([one]) == pytest.approx(1.0)
    assert harm([pair(10, 10, 90, 90)]) == pytest.approx(1.0)


def test_hopeless_numbers_stay_finite() -> None:
    assert math.isfinite(harm([pair(1000, 1000, 0, 9000)] * 3))
    assert harm([pair(0, 5000, 5000, 5000)]) < 1e-6
