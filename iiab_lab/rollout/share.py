"""Requests by who answered → what share each version got, how sure that is, and how odd beside what was asked for.

Each request draws its version by itself, so the number of a version's is binomial: the test is exact, and one number of requests
is as good as another. For one look, at the end: see `ab`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from scipy.stats import binomtest

if TYPE_CHECKING:
    import pandas


def shares(requests: pandas.DataFrame, asked: Mapping[str, float]) -> pandas.DataFrame:
    """One row per version: its requests, their share in %, that between `low` and `high` at 95 % (Clopper-Pearson), the percent
    `asked` for, and `p_value`: how likely a share is that is as far from it, or farther.

    `requests` has a column `revision`, one row per request; `asked` is percent by revision. Requests of nobody count too.
    """
    import pandas

    total, rows = len(requests), {}
    for revision, percent in asked.items():
        got = int((requests["revision"] == revision).sum())
        rows[revision] = (got, *_judged(got, total, percent))
    columns = ["requests", "share", "low", "high", "asked", "p_value"]
    return pandas.DataFrame.from_dict(rows, orient="index", columns=columns)


def _judged(got: int, total: int, percent: float) -> tuple[float, ...]:
    if not total:
        return 0.0, 0.0, 100.0, percent, 1.0
    test = binomtest(got, total, percent / 100)
    interval = test.proportion_ci()
    return 100 * got / total, 100 * interval.low, 100 * interval.high, percent, test.pvalue
