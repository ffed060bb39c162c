"""The whole attack catalogue on a running platform: what is stopped, where, and by what it is proven."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from iiab_lab.scenarios.report import Report
from iiab_lab.scenarios.security import catalogue
from iiab_lab.target import Target

from ..e2e.lab import Lab, running


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with running(tmp_path_factory.mktemp("security") / "home") as lab:
        yield lab


@pytest.fixture(scope="module")
def report(lab: Lab) -> Report:
    return catalogue.run(Target.connect(home=lab.home))


def test_every_attack_ends_where_it_should(report: Report) -> None:
    failed = {
        check.name: (check.expected, check.observed, check.evidence) for check in report.checks if not check.passed
    }
    assert not failed, json.dumps(failed, indent=2)


def test_each_row_that_passed_shows_its_evidence(report: Report) -> None:
    assert [check.name for check in report.checks if check.passed and not check.evidence] == []
    frame = report.frames["attacks"]
    assert len(frame) == len(report.checks) - 1 == len(catalogue.attacks())
    assert int(report.checks[-1].expected) > len(frame) and report.left_out == {}
    assert set(frame["class"]) == set(catalogue.KINDS)
    assert not report.frames["denials"].empty and report.figures.keys() == {"matrix", "denials"}


def test_nothing_is_left_behind(lab: Lab, report: Report) -> None:
    kube = Target.connect(home=lab.home).kube
    for api_version, kind in (
        ("serving.kserve.io/v1beta1", "InferenceService"),
        ("gateway.networking.k8s.io/v1", "HTTPRoute"),
        ("networking.istio.io/v1", "VirtualService"),
        ("rbac.authorization.k8s.io/v1", "RoleBinding"),
        ("v1", "ServiceAccount"),
        ("v1", "Secret"),
        ("v1", "ConfigMap"),
    ):
        names = [obj["metadata"]["name"] for obj in kube.list(api_version, kind)]
        assert [name for name in names if "catalogue" in name or "intruder" in name] == []
