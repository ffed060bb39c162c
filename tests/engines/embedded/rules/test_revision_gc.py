"""Revisions that nobody needs: which route leads to one, and which are deleted when."""

from __future__ import annotations

from typing import Any

import pytest

from iiab_lab.engines.embedded.objects.times import rfc3339
from iiab_lab.engines.embedded.rules import routing_state
from iiab_lab.engines.embedded.rules.revision_gc import Config, collected

NOW, HOUR = 1_800_000_000.0, 3600.0
CONFIGURATION = {"metadata": {"name": "iris"}, "status": {"latestReadyRevisionName": "latest"}}


def revision(
    name: str, state: str = "reserve", age: float = 100.0, idle: float = 100.0, **annotations: str
) -> dict[str, Any]:
    """`age` and `idle` in hours."""
    given = {"serving.knative.dev/routingStateModified": rfc3339(NOW - idle * HOUR), **annotations}
    labels = {"serving.knative.dev/routingState": state}
    meta = {"name": name, "labels": labels, "annotations": given, "creationTimestamp": rfc3339(NOW - age * HOUR)}
    return {"metadata": meta}


OLD = [revision(f"r{n}", idle=100.0 - n) for n in range(5)]  # r0 has been idle for longest
NONE_KEPT = {"min-non-active-revisions": "0"}
AT_ONCE = {name: "disabled" for name in ("retain-since-create-time", "retain-since-last-active-time")}


@pytest.mark.parametrize(
    ("data", "revisions", "gone"),
    [
        ({}, OLD, []),  # twenty are kept whatever their age
        (NONE_KEPT, OLD, ["r0", "r1", "r2", "r3", "r4"]),
        ({"min-non-active-revisions": "2"}, OLD, ["r0", "r1", "r2"]),
        (NONE_KEPT, [revision("young", age=47.0)], []),
        (NONE_KEPT, [revision("asked", idle=14.0)], []),
        (NONE_KEPT, [revision("active", "active"), revision("pending", "pending"), revision("latest")], []),
        (NONE_KEPT, [revision("pinned", **{"serving.knative.dev/no-gc": "True"})], []),
        (NONE_KEPT, [revision("unpinned", **{"serving.knative.dev/no-gc": "false"})], ["unpinned"]),
        (NONE_KEPT | {"retain-since-create-time": "disabled"}, [revision("r", age=1.0)], ["r"]),
        (NONE_KEPT | {"retain-since-last-active-time": "disabled"}, [revision("r", idle=1.0)], ["r"]),
        (NONE_KEPT | {"retain-since-last-active-time": "30m"}, [revision("r", idle=0.6)], ["r"]),
        (
            AT_ONCE | NONE_KEPT | {"max-non-active-revisions": "3"},
            OLD,
            ["r0", "r1"],
        ),  # time does not matter, the number does
        (AT_ONCE | NONE_KEPT | {"max-non-active-revisions": "0"}, OLD, ["r0", "r1", "r2", "r3", "r4"]),
        (AT_ONCE | NONE_KEPT | {"max-non-active-revisions": "disabled"}, OLD, []),
        (
            NONE_KEPT | {"max-non-active-revisions": "1"},
            [revision(f"y{n}", age=1.0, idle=1.0 - n / 10) for n in range(3)],
            ["y0", "y1"],
        ),
    ],
)
def test_who_goes(data: dict[str, str], revisions: list[dict[str, Any]], gone: list[str]) -> None:
    assert collected(Config.parse(data), CONFIGURATION, revisions[::-1], NOW) == gone


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (
            {"retain-since-create-time": "soon"},
            'failed to parse retain-since-create-time: time: invalid duration "soon"',
        ),
        (
            {"retain-since-last-active-time": "-1h"},
            "failed to parse retain-since-last-active-time: must be non-negative",
        ),
        ({"min-non-active-revisions": "-1"}, "min-non-active-revisions must be non-negative, was: -1"),
        ({"min-non-active-revisions": "x"}, 'failed to parse data: failed to parse "min-non-active-revisions"'),
        ({"max-non-active-revisions": "-1"}, "failed to parse max-non-active-revisions"),
        ({"max-non-active-revisions": "19"}, "min-non-active-revisions(20) must be <= max-non-active-revisions(19)"),
    ],
)
def test_settings_that_cannot_be(data: dict[str, str], said: str) -> None:
    with pytest.raises(ValueError) as error:
        Config.parse(data)
    assert str(error.value).startswith(said)


def a_route(traffic: list[dict[str, Any]], now: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    return {"metadata": {"name": "iris"}, "spec": {"traffic": traffic}, "status": {"traffic": now or []}}


FOLLOWS = {"configurationName": "iris", "percent": 100}


@pytest.mark.parametrize(
    ("route", "name", "created", "led"),
    [
        (a_route([{"revisionName": "r1"}]), "r1", "r9", True),
        (a_route([{"revisionName": "r1"}]), "r2", "r9", False),
        (a_route([FOLLOWS], [{"revisionName": "r1"}]), "r1", "r2", True),  # traffic is still there
        (a_route([FOLLOWS], [{"revisionName": "r1"}]), "r2", "r2", True),  # and will come here
        (a_route([FOLLOWS | {"configurationName": "other"}]), "r2", "r2", False),
    ],
)
def test_whether_a_route_leads_to_it(route: dict[str, Any], name: str, created: str, led: bool) -> None:
    of = {"metadata": {"name": name, "labels": {"serving.knative.dev/configuration": "iris"}}}
    assert routing_state.leads(route, of, {"status": {"latestCreatedRevisionName": created}}) is led


@pytest.mark.parametrize(
    ("before", "routed", "after"),
    [
        ("pending", False, "pending"),
        ("pending", True, "active"),
        ("active", False, "reserve"),
        ("reserve", False, "reserve"),
        ("reserve", True, "active"),
    ],
)
def test_routing_states(before: str, routed: bool, after: str) -> None:
    assert routing_state.wanted(revision("r", before), routed) == after
