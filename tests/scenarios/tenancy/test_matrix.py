"""Which rows there are, what an attempt's end means, and how pairs and roads are counted and drawn."""

from __future__ import annotations

from typing import Any

import pytest

from iiab_lab.errors import UsageError
from iiab_lab.scenarios.report import Report
from iiab_lab.scenarios.security.attack import API_SERVER, LAYERS, Ask, Outcome
from iiab_lab.scenarios.security.attacks.tenancy import ROUTES
from iiab_lab.scenarios.security.catalogue import Tried, judged
from iiab_lab.scenarios.security.stage import ADMIN
from iiab_lab.scenarios.tenancy import figures, matrix
from iiab_lab.scenarios.tenancy.estate import Estate
from iiab_lab.scenarios.tenancy.roads import kubernetes, management
from iiab_lab.scenarios.tenancy.row import NOT_ISOLATED, Of, Row

A, B = "tenant-a", "tenant-b"


class Api:
    """An API server's discovery: two kinds in namespaces, one of them read alone; one without a namespace; a subresource."""

    @staticmethod
    def raw(method: str, path: str, **_: Any) -> Any:
        class Groups:
            @staticmethod
            def json() -> Any:
                return {"groups": [{"preferredVersion": {"groupVersion": "apps/v1"}}]}

        return Groups

    @staticmethod
    def discover(version: str) -> list[dict[str, Any]]:
        every = ["create", "deletecollection", "get", "list"]
        if version == "v1":
            return [{"name": "nodes", "namespaced": False, "verbs": every}]
        return [
            {"name": "deployments", "namespaced": True, "verbs": every},
            {"name": "deployments/status", "namespaced": True, "verbs": ["get"]},
            {"name": "readings", "namespaced": True, "verbs": ["get", "list"]},
        ]


class Stands(Estate):
    """Two tenants without a platform; `answers` by actor."""

    def __init__(self, **answers: str) -> None:
        self.namespaces = {A: A, B: B}
        self.target = type("Target", (), {"kube": Api, "engine": "embedded"})  # type: ignore[assignment]
        self.answers = answers

    def filled_for(self, text: str, owner: str) -> str:
        return text.replace("<owner>", owner)

    def api(self, actor: str, *_: Any) -> Outcome:
        return Outcome(self.answers[actor.replace("-", "_")], actor, (), API_SERVER)


ROWS = list(matrix.every(Stands()))


def test_no_two_rows_are_one_and_every_road_has_some() -> None:
    assert len({(row.road, row.what) for row in ROWS}) == len(ROWS)
    assert {row.road for row in ROWS} == set(matrix.ROADS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.road}: {row.what}")
def test_a_row_is_denied_to_others_in_another_way_than_it_passes(row: Row) -> None:
    assert row.statuses and row.passes and not set(row.statuses) & set(row.passes)
    assert set(row.layers) <= set(LAYERS)
    assert row.ask(B, A) != row.asked_by_owner(A)


def test_every_kind_in_namespaces_is_listed_and_deleted_where_that_can_be() -> None:
    names = [row.what for row in kubernetes.rows(Stands())]
    assert names[:3] == ["list deployments", "delete all deployments", "list readings"]
    assert not [name for name in names if "nodes" in name or "status" in name]


def test_every_route_of_the_service_is_tried_and_no_control_changes_anything() -> None:
    for route, row in zip(ROUTES, management.ROWS, strict=False):
        tried, control = row.ask(B, A), row.asked_by_owner(A)
        assert isinstance(tried, Of) and isinstance(control, Of)
        assert (tried.ask.method, tried.ask.path, tried.ask.bearer) == (route.method, route.path, B)
        assert control.ask.bearer == A
        assert control.ask.method == "GET" or control.ask.path.partition("?")[0].endswith(("/predict", "/execute"))


def test_what_not_even_an_owner_may_do_the_admin_may() -> None:
    row = next(kubernetes.rows(Stands()))
    for own, asked in (("200", A), ("403", ADMIN)):
        stage = Stands(tenant_a=own, tenant_b="403", admin="200")
        outcome = row.asked_by_owner(A)(stage)
        assert (outcome.status, outcome.said) == ("200", asked)
    assert row.ask(B, A)(stage).status == "403"


def test_a_placeholder_is_the_owners_wherever_it_stands() -> None:
    seen: list[Ask] = []

    class Looked(Ask):
        def __call__(self, stage: Any) -> Outcome:
            seen.append(self)
            return Outcome("200")

    Of(A, Looked("/<owner>", body="<owner>", headers=(("x", "<owner>"),), host="<owner>.example"))(Stands())
    assert (seen[0].path, seen[0].body, seen[0].headers, seen[0].host) == (f"/{A}", A, (("x", A),), f"{A}.example")


def found(road: str, status: str, control: str = "200", why: str = "", actor: str = B, owner: str = A) -> matrix.Found:
    send = Ask("/theirs")
    row = Row(road, "a thing", lambda *_: send, (API_SERVER,), ("403",), lambda *_: Ask(), open_where=lambda _: why)
    tried = Tried(
        row.attempt(Stands(), actor, owner), Outcome(status, "said", (), API_SERVER), Outcome(control, "said")
    )
    return matrix._found(Stands(), {}, actor, owner, row, tried)


@pytest.mark.parametrize(
    ("made", "verdict"),
    [
        (found("network", "403"), matrix.DENIED),
        (found("network", "200"), matrix.OPEN),
        (found("network", "403", control="500"), matrix.UNPROVEN),  # what is denied to all proves nothing
        (found("network", "200", control="500"), matrix.OPEN),
        (found("egress", "200", why="no wall"), NOT_ISOLATED),
        (found("egress", "403", why="no wall"), matrix.DENIED),
    ],
)
def test_what_an_attempt_came_to(made: matrix.Found, verdict: str) -> None:
    assert made.verdict == verdict
    assert made.seen == judged(made.tried, [], "")
    assert (made.why != "") == (verdict == NOT_ISOLATED)


def test_a_pair_fails_by_the_road_that_is_open_and_by_no_other() -> None:
    report = Report("tenancy", "embedded")
    every = [found("network", "403"), found("web", "403"), found("web", "200"), found("egress", "200", why="no wall")]
    every += [found("logs", "403", control="404"), found("logs", "200", control="404")]
    matrix._checked(report, every)
    assert [(check.name, check.passed, check.observed) for check in report.checks] == [
        ("tenant-b → tenant-a by network", True, "1 denied, 1 controls passed"),
        ("tenant-b → tenant-a by logs", False, "0 denied, 0 controls passed, 1 unproven, 1 open"),
        ("tenant-b → tenant-a by web", False, "1 denied, 1 controls passed, 1 open"),
    ]


def test_the_heat_map_shows_the_worst_of_each_cell_and_marks_what_is_not_isolated() -> None:
    every = [
        *(found("network", "403"), found("web", "403"), found("web", "200"), found("egress", "200", why="no wall")),
        *(found("network", "403", actor=A, owner=B), found("web", "403", actor=A, owner=B)),
    ]
    drawn = figures.matrix(matrix.frame(every)).data[0]
    assert list(drawn.x) == ["network", "web", "egress"] and list(drawn.y) == [f"{B} → {A}", f"{A} → {B}"]
    assert [list(row) for row in drawn.text] == [
        ["✓<br>1", "✕<br>1 of 2", "not<br>isolated<br>1"],
        ["✓<br>1", "✓<br>1", ""],
    ]


def test_a_road_there_is_not_is_told_with_those_there_are() -> None:
    with pytest.raises(UsageError, match="no road tunnel") as caught:
        matrix.isolation(Stands().target, ["tunnel"])
    assert "network" in str(caught.value)
