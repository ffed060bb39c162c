"""Requests of two tenants → who failed, who was refused, whose latency went; and the manifests that say by which limit."""

from __future__ import annotations

import pandas
import pytest
import yaml

from iiab_lab.assets import manifests
from iiab_lab.scenarios.report import Report
from iiab_lab.scenarios.tenancy import figures, neighbour
from iiab_lab.scenarios.tenancy.neighbour import ALONE, FREE, LIMITED, Round


def requests(latency: float, **statuses: int) -> pandas.DataFrame:
    codes = [int(code.removeprefix("s")) for code, number in statuses.items() for _ in range(number)]
    return pandas.DataFrame({"status": codes, "latency_ms": [latency] * len(codes)})


def rounds(**other: Round) -> dict[str, Round]:
    alone = Round(requests(5, s200=100), requests(5, s200=5), 5)
    limited = Round(requests(6, s200=100), requests(5, s200=55, s429=440, s503=5), 5)
    return {ALONE: alone, LIMITED: limited, FREE: Round(requests(60, s200=90, s503=10), requests(900, s200=100, s0=400), 5)} | other  # fmt: skip


def failed(found: dict[str, Round]) -> list[str]:
    report = Report("tenancy", "embedded")
    neighbour._checked(report, found, 10)
    assert len(report.checks) == 3
    return [check.name for check in report.checks if not check.passed]


@pytest.mark.parametrize(
    ("changed", "wrong"),
    [
        ({}, []),
        ({LIMITED: Round(requests(6, s200=99, s503=1), requests(5, s200=55, s429=445), 5)}, ["tenant-a's failures in the flood, with the policies"]),
        ({LIMITED: Round(requests(6, s200=100), requests(5, s200=71, s429=429), 5)}, ["tenant-b's that pass"]),
        ({LIMITED: Round(requests(6, s200=100), requests(5, s429=500), 5)}, ["tenant-b's that pass"]),
        ({LIMITED: Round(requests(6, s200=100), requests(5, s200=55, s429=440, s0=5), 5)}, ["tenant-b's that are refused"]),
    ],
)  # fmt: skip
def test_each_claim_fails_by_itself(changed: dict[str, Round], wrong: list[str]) -> None:
    assert failed(rounds(**changed)) == wrong


def test_the_frame_has_a_row_for_each_round() -> None:
    found = neighbour.frame(rounds())
    assert list(found.index) == [ALONE, LIMITED, FREE]
    assert dict(found.loc[LIMITED]) == {"requests": 100, "failed": 0, "p50_ms": 6, "p95_ms": 6, "p99_ms": 6, "of tenant-b": 500, "passed": 55, "refused": 445}  # fmt: skip


def test_the_figure_has_a_line_for_each_round_that_ends_with_all_requests() -> None:
    drawn = figures.neighbour({name: one.steady["latency_ms"] for name, one in rounds().items()})
    assert [line.name for line in drawn.data] == [ALONE, LIMITED, FREE]
    assert all(line.y[-1] == 100 for line in drawn.data)


def test_the_policy_is_the_manifests_but_for_the_number() -> None:
    (manifest,) = yaml.safe_load_all((manifests() / neighbour.LIMITS).read_text())
    made = neighbour.policy(7)
    assert made["spec"]["rateLimit"]["local"]["rules"] == [{"limit": {"requests": 7, "unit": "Second"}}]
    made["spec"]["rateLimit"] = manifest["spec"]["rateLimit"]
    assert made == manifest and made["spec"]["targetRefs"][0]["name"] == neighbour.MODEL
