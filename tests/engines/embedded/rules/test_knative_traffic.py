"""A Route's targets: what is refused in upstream's words, what they lead to, and the VirtualService they become."""

from __future__ import annotations

from typing import Any

import pytest

from iiab_lab.engines.embedded.objects.kinds import Kind
from iiab_lab.engines.embedded.rules import knative_ingress
from iiab_lab.engines.embedded.rules.autoscaling.annotations import text
from iiab_lab.engines.embedded.rules.knative_split import Assigned, Unassigned, resolve
from iiab_lab.engines.embedded.rules.knative_targets import completed, problems

Target = dict[str, Any]


def follows(percent: int | None = None, **more: Any) -> Target:
    return {"configurationName": "iris", **({} if percent is None else {"percent": percent}), **more}


def stays(revision: str, percent: int | None = None, **more: Any) -> Target:
    return {"revisionName": revision, **({} if percent is None else {"percent": percent}), **more}


@pytest.mark.parametrize(
    ("traffic", "in_service", "said"),
    [
        ([{"percent": 100}], True, ""),
        ([stays("a", 60), stays("b", 40)], True, ""),
        ([{"percent": 100}, stays("a", tag="old")], True, ""),  # no share, but a name
        ([{"percent": 100, "latestRevision": True}, stays("a", 0, latestRevision=False)], True, ""),
        ([stays("a", 60), stays("b", 30)], True, "Traffic targets sum to 90, want 100: spec.traffic"),
        ([], False, "Traffic targets sum to 0, want 100: spec.traffic"),
        (
            [stays("a", 150), stays("b", -50)],
            True,
            "expected 0 <= -50 <= 100: spec.traffic[1].percent\nexpected 0 <= 150",
        ),
        (
            [stays("a", 100, latestRevision=True)],
            True,
            'may not set revisionName "a" when latestRevision is true: spec.traffic[0].latestRevision',
        ),
        (
            [{"percent": 100, "latestRevision": False}],
            True,
            'may not set revisionName "" when latestRevision is false: spec.traffic[0].latestRevision',
        ),
        (
            [stays("a", 50, tag="x"), stays("b", 50, tag="x")],
            True,
            'Multiple definitions for "x": spec.traffic[0].tag, spec.traffic[1].tag',
        ),
        ([stays("a", 100, tag="X_1")], True, "invalid value: not a DNS 1035 label: [a DNS-1035 label must consist of"),
        (
            [stays("a", 100, tag="x" * 64)],
            True,
            "invalid value: not a DNS 1035 label: [must be no more than 63 characters]",
        ),
        ([follows(100)], True, "must not set the field(s): spec.traffic[0].configurationName"),
        ([stays("a", 100, url="http://x")], True, "must not set the field(s): spec.traffic[0].url"),
        ([follows(100)], False, ""),
        (
            [{"percent": 100}],
            False,
            "expected exactly one, got neither: spec.traffic[0].configurationName, spec.traffic[0].revisionName",
        ),
        (
            [follows(100, revisionName="a")],
            False,
            "expected exactly one, got both: spec.traffic[0].configurationName, spec.traffic[0].revisionName",
        ),
    ],
)
def test_what_is_refused(traffic: list[Target], in_service: bool, said: str) -> None:
    found = text(list(problems(completed(traffic), in_service)))
    assert found.startswith(said) and bool(found) == bool(said)


def condition(status: str) -> Target:
    return {"conditions": [{"type": "Ready", "status": status}]}


# name → (labels, Ready)
REVISIONS = {
    "a": ({"serving.knative.dev/service": "iris"}, "True"),
    "b": ({"serving.knative.dev/service": "iris"}, "True"),
    "slow": ({"serving.knative.dev/service": "iris"}, "Unknown"),
    "broken": ({"serving.knative.dev/service": "iris"}, "False"),
    "foreign": ({"serving.knative.dev/service": "other"}, "True"),
    "loose": ({}, "True"),
}
CONFIGURATIONS = {
    "iris": {"latestReadyRevisionName": "b", **condition("True")},
    "new": condition("Unknown"),
    "bad": condition("False"),
}


def find(kind: Kind, name: str) -> Target | None:
    if kind.kind == "Configuration":
        return {"metadata": {"name": name}, "status": CONFIGURATIONS[name]} if name in CONFIGURATIONS else None
    if name not in REVISIONS:
        return None
    labels, ready = REVISIONS[name]
    return {"metadata": {"name": name, "labels": labels}, "status": condition(ready)}


def route(*traffic: Target, service: str = "iris") -> Target:
    labels = {"serving.knative.dev/service": service} if service else {}
    meta = {"name": "iris", "namespace": "here", "labels": labels, "uid": "1"}
    return {"apiVersion": "serving.knative.dev/v1", "kind": "Route", "metadata": meta, "spec": {"traffic": [*traffic]}}


@pytest.mark.parametrize(
    ("traffic", "shares", "splits"),
    [
        ([follows(100)], [("b", 100, "")], {"": {"b": 100}}),
        ([follows(10), stays("a", 90)], [("b", 10, ""), ("a", 90, "")], {"": {"b": 10, "a": 90}}),
        (
            [follows(0, tag="latest"), stays("a", 100, tag="prev")],
            [("b", 0, "latest"), ("a", 100, "prev")],
            {"": {"b": 0, "a": 100}, "latest": {"b": 100}, "prev": {"a": 100}},
        ),
        # The same revision under two targets: two lines of status, one of traffic.
        (
            [follows(10), stays("b", 90, tag="prev")],
            [("b", 10, ""), ("b", 90, "prev")],
            {"": {"b": 100}, "prev": {"b": 100}},
        ),
        ([stays("a", 30), stays("a", 70)], [("a", 100, "")], {"": {"a": 100}}),
        (
            [stays("a", 100), stays("b", tag="next")],
            [("a", 100, ""), ("b", 0, "next")],
            {"": {"a": 100, "b": 0}, "next": {"b": 100}},
        ),
    ],
)
def test_where_names_lead(traffic: list[Target], shares: list[tuple[str, int, str]], splits: dict[str, Any]) -> None:
    found = resolve(route(*traffic), find)
    assert isinstance(found, Assigned)
    assert [(t["revisionName"], t["percent"], t.get("tag", "")) for t in found.traffic] == shares
    assert found.splits == splits
    for target in found.traffic:
        tag = target.get("tag")
        assert target.get("url") == (f"http://{tag}-iris.here.example.com" if tag else None)


@pytest.mark.parametrize(
    ("traffic", "said"),
    [
        ([stays("none", 100)], ("False", "RevisionMissing", 'Revision "none" referenced in traffic not found.')),
        ([stays("slow", 100)], ("Unknown", "RevisionMissing", 'Revision "slow" is not yet ready.')),
        ([stays("broken", 100)], ("False", "RevisionMissing", 'Revision "broken" failed to become ready.')),
        (
            [stays("foreign", 100)],
            ("False", "RevisionNotOwned", 'Revision "foreign" belongs to Service "other", not Service "iris".'),
        ),
        ([stays("loose", 100)], ("False", "RevisionNotOwned", 'Revision "loose" does not belong to Service "iris".')),
        (
            [follows(100, configurationName="none")],
            ("False", "ConfigurationMissing", 'Configuration "none" referenced in traffic not found.'),
        ),
        (
            [follows(100, configurationName="new")],
            ("Unknown", "RevisionMissing", 'Configuration "new" is waiting for a Revision to become ready.'),
        ),
        (
            [follows(100, configurationName="bad")],
            ("False", "RevisionMissing", 'Configuration "bad" does not have any ready Revision.'),
        ),
        # One bad target holds up all; a failure is told before what may still come.
        (
            [stays("a", 50), stays("slow", 25), stays("broken", 25)],
            ("False", "RevisionMissing", 'Revision "broken" failed to become ready.'),
        ),
        (
            [stays("broken", 50), stays("slow", 50)],
            ("False", "RevisionMissing", 'Revision "broken" failed to become ready.'),
        ),
    ],
)
def test_why_traffic_cannot_be_assigned(traffic: list[Target], said: tuple[str, str, str]) -> None:
    assert resolve(route(*traffic), find) == Unassigned(*said)


def test_a_route_of_no_service_leads_to_any_revision() -> None:
    assert isinstance(resolve(route(stays("foreign", 50), stays("loose", 50), service=""), find), Assigned)


def test_the_virtual_service_has_a_rule_for_each_name_and_leaves_out_who_gets_nothing() -> None:
    found = resolve(route(follows(0, tag="latest"), stays("a", 100, tag="prev")), find)
    assert isinstance(found, Assigned)
    spec = knative_ingress.virtual_service(route(), found.splits)["spec"]
    assert len(spec["hosts"]) == 12 and "prev-iris.here.example.com" in spec["hosts"]
    shown = [
        (rule["match"][0]["authority"]["prefix"], [(r["destination"]["host"], r["weight"]) for r in rule["route"]])
        for rule in spec["http"]
    ]
    assert shown == [
        ("iris.here", [("a.here.svc.cluster.local", 100)]),
        ("latest-iris.here", [("b.here.svc.cluster.local", 100)]),
        ("prev-iris.here", [("a.here.svc.cluster.local", 100)]),
    ]
    names = [service["metadata"]["name"] for service in knative_ingress.placeholders(route(), found.splits)]
    assert names == ["iris", "latest-iris", "prev-iris"]


def test_without_tags_nothing_needs_to_be_told_apart() -> None:
    (rule,) = knative_ingress.virtual_service(route(), {"": {"a": 90, "b": 10}})["spec"]["http"]
    assert "match" not in rule and [r["weight"] for r in rule["route"]] == [90, 10]
