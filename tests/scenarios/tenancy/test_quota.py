"""Answers of many creates → the arithmetic of the quota, told and drawn."""

from __future__ import annotations

import pytest

from iiab_lab.scenarios.report import Report
from iiab_lab.scenarios.tenancy import figures, quota
from iiab_lab.scenarios.tenancy.quota import QUOTA, Answer
from iiab_lab.target import Target

OVER = Answer(403, f'secrets "x" is forbidden: exceeded quota: {QUOTA}, requested: count/secrets=1')
RIGHT = [OVER, *[Answer(201, "")] * 10, *[OVER] * 89]


@pytest.mark.parametrize(
    ("answers", "used", "failed"),
    [
        (RIGHT, "10", set()),
        ([*RIGHT[1:], Answer(201, "")], "11", {0, 1, 2}),  # one too many
        ([*RIGHT[:-1], Answer(403, "RBAC")], "10", {1}),  # refused, and not by the quota
        (RIGHT, "9", {2}),
    ],
)
def test_exactly_as_many_as_the_quota_get_through(
    monkeypatch: pytest.MonkeyPatch, answers: list[Answer], used: str, failed: set[int]
) -> None:
    monkeypatch.setattr(quota, "wall", lambda *_: (answers, used))
    report = Report("tenancy", "embedded")
    quota.add(report, Target.__new__(Target))
    assert {number for number, check in enumerate(report.checks) if not check.passed} == failed


def test_the_figure_counts_in_the_order_of_the_answers() -> None:
    drawn = figures.wall(quota.frame([OVER, Answer(201, ""), OVER, Answer(201, "")]), 2)
    assert list(drawn.data[0].y) == [0, 1, 1, 2]
    assert (list(drawn.data[1].x), list(drawn.data[1].y)) == ([1, 3], [0, 1])
