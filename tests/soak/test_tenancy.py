"""The whole tenancy scenario on a platform of its own; and without a wall the matrix fails by just that wall's road."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from iiab_lab.kube import Object
from iiab_lab.scenarios import find
from iiab_lab.scenarios.report import Report
from iiab_lab.scenarios.tenancy import isolation
from iiab_lab.scenarios.tenancy.matrix import OPEN, ROADS
from iiab_lab.scenarios.tenancy.row import NOT_ISOLATED
from iiab_lab.target import Target

from ..e2e.lab import eventually, running

A, B, C = "tenant-a", "tenant-b", "tenant-c"
VIEW = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"}
EVERYBODY = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "system:serviceaccounts"}


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    with running(tmp_path_factory.mktemp("tenancy") / "home") as lab:
        yield Target.connect(home=lab.home)


@pytest.fixture(scope="module")
def report(target: Target) -> Report:
    return find("tenancy").run(target)


def test_every_pair_is_kept_apart_by_every_road(report: Report) -> None:
    failed = {check.name: (check.expected, check.observed, check.evidence) for check in report.checks if not check.passed}  # fmt: skip
    assert not failed, json.dumps(failed, indent=2)
    attempts = report.frames["isolation"]
    assert set(attempts["road"]) == set(ROADS)
    assert {(actor, owner) for actor, owner in zip(attempts["actor"], attempts["owner"], strict=True)} == {
        (one, other) for one in (A, B, C) for other in (A, B, C) if one != other
    }


def test_what_is_not_isolated_is_egress_and_says_why(report: Report) -> None:
    attempts = report.frames["isolation"]
    found = attempts[attempts["verdict"] == NOT_ISOLATED]
    assert set(found["road"]) == {"egress"} and found["why"].all()


def test_the_figures_are_there(report: Report) -> None:
    assert report.figures.keys() == {"isolation", "quota", "neighbour"}


def test_nothing_is_left_behind(target: Target, report: Report) -> None:
    for api_version, kind in (
        ("serving.kserve.io/v1beta1", "InferenceService"),
        ("gateway.networking.k8s.io/v1", "HTTPRoute"),
        ("gateway.envoyproxy.io/v1alpha1", "BackendTrafficPolicy"),
        ("rbac.authorization.k8s.io/v1", "RoleBinding"),
        ("v1", "ServiceAccount"),
        ("v1", "Secret"),
        ("v1", "Pod"),
        ("v1", "Namespace"),
    ):
        eventually(lambda kind=kind, api=api_version: left(target, api, kind) == [])


def left(target: Target, api_version: str, kind: str) -> list[str]:
    names = [obj["metadata"]["name"] for obj in target.kube.list(api_version, kind)]
    return [name for name in names if any(word in name for word in ("isolation", "intruder", "neighbour"))]


class Hole(NamedTuple):
    """Objects that are taken away, or one that is made; which roads open to what is tenant-a's."""

    away: tuple[tuple[str, str, str, str], ...]
    made: Object | None
    opens: set[str]


NETWORK = ("networking.k8s.io/v1", "NetworkPolicy")
HOLES = {
    "accounts may view everything": Hole(
        (),
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": "isolation-mutation"},
            "roleRef": VIEW,
            "subjects": [EVERYBODY],
        },
        {"kubernetes", "logs", "audit"},
    ),
    # Each of them would hold alone.
    "anybody of the mesh may call the model": Hole(
        (
            ("security.istio.io/v1", "AuthorizationPolicy", "from-the-ingress", A),
            (*NETWORK, "default-deny", A),
            (*NETWORK, "what-is-needed", A),
        ),
        None,
        {"network"},
    ),
}


@pytest.mark.parametrize("name", HOLES)
def test_through_a_hole_its_roads_are_open_and_no_others(target: Target, name: str) -> None:
    assert opened(target) == set()
    with dug(target, HOLES[name]):
        eventually(lambda: opened(target) == HOLES[name].opens, 60)
    eventually(lambda: opened(target) == set(), 60)


def opened(target: Target) -> set[str]:
    """Roads by which tenant-b comes to what is tenant-a's."""
    roads = [road for road in ROADS if road not in ("processes", "egress")]
    attempts = isolation(target, roads, among=[A, B]).frames["isolation"]
    return set(attempts[(attempts["verdict"] == OPEN) & (attempts["owner"] == A)]["road"])


@contextlib.contextmanager
def dug(target: Target, hole: Hole) -> Iterator[None]:
    kube = target.kube
    before = [obj for one in hole.away if (obj := kube.get(*one))]
    for one in hole.away:
        kube.delete(*one)
    if hole.made:
        kube.apply(hole.made)
    try:
        yield
    finally:
        for obj in before:
            kube.raw("POST", kube.path(obj["apiVersion"], obj["kind"], A), json=restored(obj))
        if hole.made:
            kube.delete(hole.made["apiVersion"], hole.made["kind"], hole.made["metadata"]["name"])


def restored(obj: Object) -> Object:
    meta = {name: value for name, value in obj["metadata"].items() if name in ("name", "namespace", "labels")}
    return {name: value for name, value in obj.items() if name != "status"} | {"metadata": meta}
