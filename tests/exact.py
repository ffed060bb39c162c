"""Counts and the shares they should have → a failure where chance alone would hardly ever bring such counts about."""

from __future__ import annotations

from collections.abc import Sequence

from scipy.stats import binomtest


def assert_split(counts: Sequence[int], shares: Sequence[float], alpha: float = 1e-6) -> None:
    """Exact binomial tests, one per share (Bonferroni): a true split fails with probability `alpha` at most.

    `shares` need not add up to 1. Of 2,000 requests, 0.58 for 0.5 is found with probability 0.98, 0.85 for 0.9 with 0.97,
    0.09 for 0.05 with 0.99.
    """
    total, weight = sum(counts), sum(shares)
    values = [binomtest(count, total, share / weight).pvalue for count, share in zip(counts, shares, strict=True)]
    assert min(values) >= alpha / len(values), f"{list(counts)} is no split by {list(shares)}: p = {min(values):.2g}"
