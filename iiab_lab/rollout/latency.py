"""A histogram's buckets → the bound from which a request counts as slow, and how many were.

Only counts below a bound are used, never an interpolated quantile, so a test of them is exact. "The candidate's p95 is not
above the baseline's by more than the margin" reads: of its requests, no larger share is slower than that bound (a sign test
of the quantile; Conover, Practical Nonparametric Statistics, §3.2).
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from .tally import Tally

Buckets = Mapping[float, int]  # upper bound (ms, the last +Inf) → how many requests took at most that long


def bound(baseline: Buckets, share: float = 0.95, margin: float = 0.5) -> float | None:
    """The first bucket bound at or above (1 + margin) times the baseline's quantile; None of nothing, +Inf beyond the last.

    The quantile is interpolated, as PromQL does: it only says where to count, before anything is counted.
    """
    total, wanted = baseline.get(math.inf, 0), share * baseline.get(math.inf, 0)
    if not total:
        return None
    edges = sorted(baseline)
    at = next(index for index, edge in enumerate(edges) if baseline[edge] >= wanted)
    low, below = (edges[at - 1], baseline[edges[at - 1]]) if at else (0.0, 0)
    part = (wanted - below) / max(1, baseline[edges[at]] - below)
    quantile = low + (edges[at] - low) * part if edges[at] < math.inf else math.inf
    return next(edge for edge in edges if edge >= quantile * (1 + margin))


def slow(buckets: Buckets, limit: float) -> Tally:
    """How many took longer than `limit`, which is one of the bounds."""
    total = buckets.get(math.inf, 0)
    return Tally(total - buckets.get(limit, 0), total) if total else Tally()
