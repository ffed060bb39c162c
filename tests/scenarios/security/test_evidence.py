"""Lines of several hops → who decided, and a row of the Report."""

from __future__ import annotations

import json

import pytest

from iiab_lab.scenarios.report import Report
from iiab_lab.scenarios.security import catalogue, evidence, figures
from iiab_lab.scenarios.security.attack import ACTIVATOR, EDGE, MODEL, SIDECAR, TIER_2, Ask, Attack, Outcome
from iiab_lab.scenarios.security.catalogue import Tried
from iiab_lab.scenarios.security.evidence import Line

PASSED = "via_upstream"


def line(layer: str, details: str, code: int = 200, behind: str = "", request_id: str = "one", **more: str) -> Line:
    return Line(layer, behind, {"request_id": request_id, "details": details, "code": code, **more})


THROUGH = [line(EDGE, PASSED), line(TIER_2, PASSED), line(SIDECAR, PASSED, behind=MODEL)]


@pytest.mark.parametrize(
    ("lines", "layer"),
    [
        ([], ""),
        ([line(EDGE, "jwt_authn_access_denied{Jwt_is_missing}", 401)], EDGE),
        ([line(EDGE, PASSED, 404), line(TIER_2, "route_not_found", 404)], TIER_2),
        ([line(EDGE, PASSED, 403), line(TIER_2, PASSED, 403), line(SIDECAR, "rbac_access_denied", 403)], SIDECAR),
        (THROUGH, MODEL),
        ([line(ACTIVATOR, "rbac_access_denied", 403, behind=MODEL)], ACTIVATOR),
        # The edge gave up; that those behind it were cut off is no decision of theirs.
        ([line(EDGE, "response_timeout", 504), line(TIER_2, "http2.remote_reset", 0), line(SIDECAR, "http2.remote_reset", 0)], EDGE),
        # Of a Pod that is gone the gateway's own line tells.
        ([line(EDGE, PASSED), line(TIER_2, PASSED, behind=MODEL)], MODEL),
    ],
)  # fmt: skip
def test_the_first_hop_that_did_more_than_pass_it_on_decided(lines: list[Line], layer: str) -> None:
    assert evidence.decided(lines)[0] == layer


def test_lines_are_joined_by_every_id_a_request_went_by() -> None:
    lines = [
        line(SIDECAR, PASSED, request_id="new"),
        line(EDGE, PASSED, request_id="new"),
        line(EDGE, PASSED, request_id="x"),
    ]
    index = evidence.indexed(lines)
    assert [found.layer for found in evidence.about(index, ("own", "new"))] == [EDGE, SIDECAR]
    assert evidence.about(index, ("own",)) == []
    assert len(evidence.about(index, ("new", "new"))) == 2


def test_only_access_log_lines_are_read() -> None:
    text = "\n".join(
        ["[info] starting", '{"level": "warning"}', '{"code": 200', json.dumps({"code": 200, "details": "x"})]
    )
    assert evidence.parsed(text) == [{"code": 200, "details": "x"}]


def attack(**changes: object) -> Attack:
    usual = {"statuses": ("403",), "layers": (EDGE,), "says": "", "hides": "", "metric": "", **changes}
    return Attack("one", "jwt", "RFC", "tries", Ask(), control=Ask(), **usual)  # type: ignore[arg-type]


DENIED = [line(EDGE, "rbac_access_denied", 403)]
GOOD = Outcome("200")


@pytest.mark.parametrize(
    ("made", "outcome", "control", "lines", "metric", "passed", "observed"),
    [
        (attack(), Outcome("403"), GOOD, DENIED, "", True, "403 @ edge"),
        (attack(), Outcome("200"), GOOD, THROUGH, "", False, "200 @ model"),
        (attack(), Outcome("403"), GOOD, [], "", False, "403 @ nobody told"),
        (attack(), Outcome("403"), Outcome("403", "denied"), DENIED, "", False, "403 @ edge; the control got 403: denied"),
        (attack(layers=(TIER_2,)), Outcome("403"), GOOD, DENIED, "", False, "403 @ edge"),
        (attack(statuses=("closed",), metric="m"), Outcome("closed"), GOOD, [], "m +1, 1 such", True, "closed @ edge"),
        (attack(hides="secret"), Outcome("403", "the secret"), GOOD, DENIED, "", False, "403 @ edge; 'secret' is told"),
        (attack(hides="rbac"), Outcome("403"), GOOD, DENIED, "", False, "403 @ edge; 'rbac' is told"),
        (attack(says="why"), Outcome("403"), GOOD, DENIED, "", False, "403 @ edge; nothing says 'why'"),
        (attack(layers=("api-server",)), Outcome("403", "no", (), "api-server"), GOOD, [], "", True, "403 @ api-server"),
    ],
)  # fmt: skip
def test_a_row_passes_where_status_layer_control_and_silence_are_right(
    made: Attack, outcome: Outcome, control: Outcome, lines: list[Line], metric: str, passed: bool, observed: str
) -> None:
    report = Report("security", "embedded")
    catalogue._row(report, Tried(made, outcome, control), lines, metric)
    assert [(check.passed, check.observed) for check in report.checks] == [(passed, observed)]


def test_a_metric_is_evidence_only_where_it_grew_once_for_each() -> None:
    tried = [Tried(attack(metric="m"), GOOD, GOOD), Tried(attack(metric="m"), GOOD, GOOD)]
    assert catalogue._proof(tried[0].attack, tried, {"m": 1.0}) == ""
    assert catalogue._proof(tried[0].attack, tried, {"m": 2.0}) == "m +2, 2 such"
    assert catalogue._proof(attack(), tried, {}) == ""


def test_the_matrix_counts_and_marks() -> None:
    report = Report("security", "embedded")
    for outcome, lines in ((Outcome("403"), DENIED), (Outcome("200"), THROUGH)):
        catalogue._row(report, Tried(attack(), outcome, GOOD), lines, "")
    frame = figures.frame([Tried(attack(), GOOD, GOOD)] * 2, report.checks)
    assert list(frame["layer"]) == [EDGE, MODEL]
    drawn = figures.matrix(frame).data[0]
    assert (list(drawn.x), list(drawn.y)) == ([EDGE, MODEL], ["jwt"])
    assert [list(row) for row in drawn.text] == [["1", "1 ✗1"]]
