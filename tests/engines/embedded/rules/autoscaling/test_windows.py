"""The ring of buckets, its weighted sister and the greatest value of a while, as stated."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iiab_lab.engines.embedded.rules.autoscaling.windows import Buckets, Maximum, WeightedBuckets, weight

NOW = 1_700_000_000.25


def test_values_of_one_second_add_up_and_a_young_window_is_averaged_over_its_age() -> None:
    window = Buckets(5)
    assert window.is_empty(NOW) and window.average(NOW) == 0
    window.record(NOW, 1)
    window.record(NOW + 0.5, 10)
    assert window.average(NOW) == 11
    for second in range(1, 5):
        window.record(NOW + second, second + 1)
    assert window.average(NOW + 4) == (11 + 2 + 3 + 4 + 5) / 5
    window.record(NOW + 5, 6)
    assert window.average(NOW + 5) == (2 + 3 + 4 + 5 + 6) / 5


def test_silence_at_the_end_does_not_count_and_a_gap_counts_as_zero() -> None:
    window = Buckets(5)
    for second in range(5):
        window.record(NOW + second, second + 1)
    assert window.average(NOW + 6) == (3 + 4 + 5) / 3
    assert window.average(NOW + 9) == 0 and not window.is_empty(NOW + 9)
    assert window.is_empty(NOW + 10)
    window.record(NOW + 6, 91)
    assert window.average(NOW + 6) == (3 + 4 + 5 + 91) / 5


def test_after_a_silent_window_it_is_young_again() -> None:
    window = Buckets(5)
    window.record(NOW, 7)
    window.record(NOW + 5, 10)
    assert window.average(NOW + 5) == 10


def test_late_values_count_within_the_window_only() -> None:
    window = Buckets(5)
    window.record(NOW, 1984)
    window.record(NOW - 3, 4)
    assert window.average(NOW) == (4 + 1984) / 4
    window.record(NOW - 5, 1000)
    assert window.average(NOW) == (4 + 1984) / 4


def test_a_resized_window_keeps_the_newest() -> None:
    window = Buckets(5)
    for second in range(5):
        window.record(NOW + second, second + 1)
    window.resize(NOW + 4, 2)
    assert window.average(NOW + 4) == (4 + 5) / 2
    window.resize(NOW + 4, 10)
    assert window.average(NOW + 4) == (4 + 5) / 2
    window.resize(NOW + 60, 3)
    assert window.average(NOW + 60) == 0
    window.record(NOW + 60, 2)
    assert window.average(NOW + 60) == 2


def test_a_window_resized_while_empty_is_as_new() -> None:
    window = Buckets(2)
    window.record(NOW, 9)
    window.resize(NOW + 3, 60)
    assert window.average(NOW + 4) == 0
    window.record(NOW + 4, 5)
    assert window.average(NOW + 4) == 5


def test_weights_decay_with_age() -> None:
    window, share = WeightedBuckets(5), weight(5)
    assert window.average(NOW) == 0
    window.record(NOW, 2)
    assert window.average(NOW) == pytest.approx(2 * share)
    assert window.average(NOW + 1) == pytest.approx(2 * share * (1 - share))
    window.record(NOW + 1, 3)
    assert window.average(NOW + 1) == pytest.approx(3 * share + 2 * share * (1 - share))
    assert window.average(NOW + 7) == 0


@pytest.mark.parametrize(("size", "share"), [(100, 0.2), (60, 0.2), (40, 0.205671765), (6, 0.784556530)])
def test_the_weight_of_the_newest_follows_from_the_size(size: int, share: float) -> None:
    assert weight(size) == pytest.approx(share)


@given(st.floats(0, 1e6), st.integers(1, 60), st.integers(1, 200))
def test_the_average_of_a_constant_is_the_constant(value: float, size: int, seconds: int) -> None:
    window = Buckets(size)
    for second in range(seconds):
        window.record(NOW + second, value)
    assert window.average(NOW + seconds - 1) == pytest.approx(value, abs=1e-6, rel=1e-9)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 100)), min_size=1), st.integers(1, 20))
def test_the_maximum_is_that_of_the_last_steps(steps: list[tuple[int, int]], size: int) -> None:
    """Against the plain definition: the greatest of all that was recorded less than `size` ticks ago."""
    window, seen, tick = Maximum(size * 2.0, 2.0), [], 0
    for passed, value in steps:
        tick += passed
        seen.append((tick, value))
        told = window.record(tick * 2.0, value)
        assert told == max(value for at, value in seen if tick - at < size)
