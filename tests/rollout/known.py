"""Findings, looks and series as the tests write them."""

from __future__ import annotations

from iiab_lab.rollout.criteria import CRITERIA, Finding
from iiab_lab.rollout.evidence import Look
from iiab_lab.rollout.tally import Pair, Tally

BY_NAME = {criterion.name: criterion for criterion in CRITERIA}


def pair(bad: int, total: int, bad_before: int, total_before: int) -> Pair:
    return Pair(Tally(bad, total), Tally(bad_before, total_before))


def finding(name: str, *, total: int = 100, statistic: float = 0.0, worst: float = 0.0) -> Finding:
    bound = BY_NAME[name].margin if name == "drift" else 400.0
    return Finding(BY_NAME[name], pair(0, total, 0, 900), statistic, bound, worst)


def look(failed: int = 0, total: int = 50, wrong: int = 0, slow: int = 0) -> Look:
    """Half of the traffic each; the baseline is without a fault."""
    counts = {"errors": failed, "latency": slow, "accuracy": wrong}
    classes = {"0": total // 2, "1": total - total // 2}
    return Look({name: pair(bad, total, 0, total) for name, bad in counts.items()}, classes, classes)
