"""How far two versions' classes are apart: bounds that hold at every look."""

from __future__ import annotations

import numpy
import pytest
from scipy.stats import binom

from iiab_lab.rollout.drift import at_least, at_most, distance

LEVEL = 0.05


def drawn(chance: numpy.random.Generator, shares: list[float], count: int) -> dict[str, int]:
    return {str(kind): int(number) for kind, number in enumerate(chance.multinomial(count, shares))}


@pytest.mark.parametrize(
    ("candidate", "baseline", "apart"),
    [
        ({"0": 5, "1": 5}, {"0": 50, "1": 50}, 0.0),
        ({"0": 10}, {"1": 10}, 1.0),
        ({"0": 6, "1": 4}, {"0": 40, "1": 60}, 0.2),
        ({}, {"1": 10}, 0.0),
    ],
)
def test_the_distance_as_seen(candidate: dict[str, int], baseline: dict[str, int], apart: float) -> None:
    assert distance(candidate, baseline) == pytest.approx(apart)


@pytest.mark.parametrize("kinds", [2, 3, 5, 9])
def test_the_bounds_hold_the_truth_at_every_look(kinds: int) -> None:
    chance, missed = numpy.random.default_rng(kinds), 0
    shares = [chance.dirichlet(numpy.ones(kinds)) for _ in range(2)]
    truth = float(abs(shares[0] - shares[1]).sum() / 2)
    for _ in range(20):
        sums: list[dict[str, int]] = [{}, {}]
        for _ in range(10):
            for sum_, law, count in zip(sums, shares, (20, 60), strict=True):
                for kind, number in drawn(chance, list(law), count).items():
                    sum_[kind] = sum_.get(kind, 0) + number
            if not at_least(*sums, LEVEL) <= truth <= at_most(*sums, LEVEL):
                missed += 1
                break
    assert missed <= binom.isf(1e-6, 20, 2 * LEVEL)


def test_equal_versions_are_shown_to_be_near_and_others_to_be_far() -> None:
    chance = numpy.random.default_rng(1)
    even = [1 / 3] * 3
    assert at_most(drawn(chance, even, 400), drawn(chance, even, 400), LEVEL) < 0.25
    assert at_least(drawn(chance, [0.9, 0.05, 0.05], 200), drawn(chance, even, 800), LEVEL) > 0.25


def test_of_nothing_nothing_is_known_and_one_class_alone_is_near() -> None:
    assert (at_least({}, {}, LEVEL), at_most({}, {}, LEVEL)) == (0.0, 1.0)
    assert (at_least({"0": 9}, {}, LEVEL), at_most({"0": 9}, {}, LEVEL)) == (0.0, 1.0)
    assert at_most({"0": 300}, {"0": 3000}, LEVEL) < 0.05
