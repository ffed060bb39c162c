"""Shares: the exact test's own numbers, and what is odd is told."""

from __future__ import annotations

import pandas
import pytest
from scipy.stats import binomtest

from iiab_lab.rollout.share import shares


def seen(**counts: int) -> pandas.DataFrame:
    return pandas.DataFrame({"revision": [name for name, count in counts.items() for _ in range(count)]})


def test_a_share_that_fits_and_one_that_does_not() -> None:
    frame = shares(seen(a=905, b=95), {"a": 90, "b": 10})
    assert frame.loc["b", ["requests", "share", "asked"]].tolist() == [95, 9.5, 10]
    assert frame.loc["b", "p_value"] == binomtest(95, 1000, 0.1).pvalue > 0.5
    assert frame.loc["b", "low"] < 9.5 < frame.loc["b", "high"]
    assert shares(seen(a=500, b=500), {"b": 10}).loc["b", "p_value"] < 1e-6


def test_who_was_not_asked_for_counts_among_all() -> None:
    assert shares(seen(a=90, b=5, c=5), {"a": 90}).loc["a", "share"] == pytest.approx(90)


def test_no_requests_tell_nothing() -> None:
    frame = shares(seen(), {"a": 50})
    assert frame.loc["a", ["requests", "low", "high", "p_value"]].tolist() == [0, 0, 100, 1]
