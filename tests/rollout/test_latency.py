"""Where slow begins, and how many were."""

from __future__ import annotations

import math

import pytest

from iiab_lab.rollout.latency import bound, slow
from iiab_lab.rollout.tally import Tally

EDGES = (0.5, 1, 5, 10, 25, 50, math.inf)


def histogram(*counts: int) -> dict[float, int]:
    """How many fell into each bucket → cumulative."""
    return {edge: sum(counts[: index + 1]) for index, edge in enumerate(EDGES)}


@pytest.mark.parametrize(
    ("counts", "limit"),
    [
        ((0, 0, 100, 0, 0, 0, 0), 10.0),  # p95 = 4.8 ms, and half more is 7.2
        ((0, 0, 90, 10, 0, 0, 0), 25.0),  # 7.5 ms → 11.25
        ((0, 100, 0, 0, 0, 0, 0), 5.0),
        ((100, 0, 0, 0, 0, 0, 0), 1.0),
        ((0, 0, 0, 0, 0, 0, 100), math.inf),
        ((0, 0, 0, 0, 0, 0, 0), None),
    ],
)
def test_slow_begins_at_the_first_bucket_beyond_the_margin(counts: tuple[int, ...], limit: float | None) -> None:
    assert bound(histogram(*counts)) == limit


def test_slow_is_what_is_above_the_limit() -> None:
    assert slow(histogram(1, 2, 3, 4, 5, 6, 7), 10.0) == Tally(18, 28)
    assert slow({}, 10.0) == Tally()


def test_buckets_that_did_not_grow_are_not_there() -> None:
    """Prometheus's growth leaves them out: all 3 requests took more than 25 ms."""
    assert slow({50.0: 3, math.inf: 3}, 25.0) == Tally(3, 3)
