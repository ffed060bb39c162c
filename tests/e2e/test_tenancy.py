"""Two tenants try each other on a running platform, and a quota holds; all three, every road and the flood are in tests/soak."""

from __future__ import annotations

import json

from iiab_lab.scenarios.report import Report
from iiab_lab.scenarios.tenancy import isolation, quota
from iiab_lab.target import Target

from .lab import Lab

ROADS = ("network", "gateway", "management", "registry", "web", "processes", "egress")


def test_neither_of_two_tenants_reaches_what_is_the_others(lab: Lab) -> None:
    report = isolation(Target.connect(home=lab.home), ROADS, among=["tenant-a", "tenant-b"])
    failed = {check.name: (check.observed, check.evidence) for check in report.checks if not check.passed}
    assert not failed, json.dumps(failed, indent=2)
    attempts = report.frames["isolation"]
    assert set(attempts["road"]) == set(ROADS)
    assert set(attempts[attempts["verdict"] != "denied"]["road"]) == {"egress"}


def test_of_a_hundred_creates_at_once_a_quota_of_ten_lets_ten_through(lab: Lab) -> None:
    report = Report("tenancy", "embedded")
    quota.add(report, Target.connect(home=lab.home))
    assert {check.name: check.observed for check in report.checks if not check.passed} == {}
