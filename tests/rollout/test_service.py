"""An InferenceService's state as the API tells it, and what is sent to change it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from iiab_lab.errors import NotReady, UsageError
from iiab_lab.rollout.service import Service, weights
from iiab_lab.target import Target


class FakeKube:
    """One InferenceService and one VirtualService; patches are noted."""

    def __init__(self, isvc: dict[str, Any] | None) -> None:
        self.isvc, self.patches = isvc, list[dict[str, Any]]()

    def get(self, api: str, kind: str, name: str, namespace: str) -> Any:
        return self.isvc

    def merge(self, api: str, kind: str, name: str, namespace: str, patch: dict[str, Any]) -> None:
        self.patches.append(json.loads(json.dumps(patch))["spec"]["predictor"])

    def wait(self, where: object, holds: Any, **_: object) -> Any:
        if not holds(self.isvc):
            raise NotReady("not in time")
        return self.isvc


def isvc(
    created: str = "r2", ready: str = "r2", observed: int = 3, mode: str = "Knative", model: Any = None, **more: Any
) -> dict[str, Any]:
    predictor = {"latestCreatedRevision": created, "latestReadyRevision": ready, "latestRolledoutRevision": "r1"}
    return {
        "metadata": {"generation": 3},
        "spec": {"predictor": {"model": {"storageUri": "pvc://m/v2", "modelFormat": {"name": "sklearn"}}, **more}},
        "status": {
            "deploymentMode": mode,
            "observedGeneration": observed,
            "components": {"predictor": predictor},
            "modelStatus": model or {"transitionStatus": "UpToDate"},
        },
    }


def service(said: dict[str, Any] | None) -> Service:
    target = Target("embedded", Path("/none"), "", "", "")
    target.__dict__["kube"] = FakeKube(said)  # in the place of the cached property
    return Service(target, "iris", "tenant-a")


def test_every_change_is_one_patch_and_a_new_version_comes_without_traffic() -> None:
    one = service(isvc())
    one.offer({"model": {"storageUri": "pvc://m/v3"}})
    one.give(10)
    one.give_all()
    offered = {"model": {"storageUri": "pvc://m/v3"}, "canaryTrafficPercent": 0}
    assert one.target.kube.patches == [offered, {"canaryTrafficPercent": 10}, {"canaryTrafficPercent": None}]


@pytest.mark.parametrize(
    ("said", "others", "found"),
    [
        (isvc(), {"r1"}, "r2"),
        (isvc(), {"r1", "r2"}, "not in time"),  # the one that was taken back before is not it
        (isvc(created="r3"), {"r1"}, "not in time"),
        (isvc(observed=2), {"r1"}, "not in time"),
        (isvc(created=""), {"r1"}, "not in time"),
    ],
)
def test_the_candidate_is_a_new_revision_that_is_ready(said: dict[str, Any], others: set[str], found: str) -> None:
    if found.startswith("r"):
        assert service(said).await_candidate(others, 1) == found
    else:
        with pytest.raises(NotReady, match=found):
            service(said).await_candidate(others, 1)


def failed(of: str) -> dict[str, Any]:
    info = {"reason": "ModelLoadFailed", "message": "no such file", "modelRevisionName": of}
    return {"transitionStatus": "BlockedByFailedLoad", "lastFailureInfo": info}


def test_a_candidate_that_cannot_load_is_told_with_its_last_words_and_an_older_failure_is_not_its() -> None:
    with pytest.raises(NotReady, match="r3 does not become ready: no such file"):
        service(isvc(created="r3", model=failed("r3"))).await_candidate({"r1"}, 1)
    with pytest.raises(NotReady, match="not in time"):
        service(isvc(created="r3", model=failed("r2"))).await_candidate({"r1"}, 1)


@pytest.mark.parametrize(
    ("wanted", "has"),
    [
        ({"model": {"storageUri": "pvc://m/v2"}}, True),
        ({"model": {"storageUri": "pvc://m/v3"}}, False),
        ({"maxReplicas": 3}, False),
        ({"model": {"modelFormat": {"name": "sklearn"}}}, True),
        ({"canaryTrafficPercent": None}, True),
    ],
)
def test_whether_the_spec_says_it_already(wanted: dict[str, Any], has: bool) -> None:
    assert service(isvc()).has(wanted) is has


def test_what_has_no_canary_is_refused() -> None:
    with pytest.raises(UsageError, match="Standard mode"):
        service(isvc(mode="Standard"))
    with pytest.raises(UsageError, match="no InferenceService tenant-a/iris"):
        service(None)


def test_weights_are_those_of_the_routes() -> None:
    def route(name: str, **weight: int) -> dict[str, Any]:
        return {"destination": {"host": f"{name}.tenant-a.svc.cluster.local"}, **weight}

    def routes(*found: dict[str, Any]) -> dict[str, Any]:
        return {"spec": {"http": [{"route": list(found)}]}}

    assert weights(routes(route("r2", weight=10), route("r1", weight=90))) == {"r2": 10, "r1": 90}
    assert weights(routes(route("r2", weight=0), route("r1", weight=100))) == {"r1": 100}
    assert weights(routes(route("r1"))) == {"r1": 100}
    assert weights(routes(route("r1", weight=10), route("r1", weight=90))) == {"r1": 100}
    assert weights({}) == {}
