"""Releases as their owners see them: canary, promotion, rollback, tags, revisions that fail."""

from __future__ import annotations

from typing import Any

import pytest

from iiab_lab.engines.embedded.objects.kinds import (
    CONFIGURATION,
    REVISION,
    ROUTE,
    SERVICE,
    VIRTUAL_SERVICE,
)
from iiab_lab.errors import ApiError

from .test_serving import isvc, ready, serve, weights
from .world import World, condition, in_world

ONE, TWO, THREE = (f"iris-predictor-0000{n}" for n in (1, 2, 3))


def predictor(w: World) -> dict[str, Any]:
    found: dict[str, Any] = ((isvc(w).get("status") or {}).get("components") or {}).get("predictor") or {}
    return found


def shares(status: dict[str, Any]) -> list[tuple[str, int, str]]:
    return [(t["revisionName"], t["percent"], t.get("tag", "")) for t in status.get("traffic") or ()]


def rolled_out(w: World) -> tuple[str, str]:
    found = predictor(w)
    return found.get("latestRolledoutRevision", ""), found.get("previousRolledoutRevision", "")


def state(w: World, revision: str) -> str:
    found = w.get(REVISION, revision) or {"metadata": {"labels": {}}}
    return str(found["metadata"]["labels"].get("serving.knative.dev/routingState", ""))


async def sees(w: World, split: dict[str, int], rollout: tuple[str, str]) -> None:
    await w.until(lambda: weights(w) == split and rolled_out(w) == rollout, lambda: (weights(w), rolled_out(w)))


@in_world("serving")
async def test_canary_promotion_and_the_way_back(w: World) -> None:
    await serve(w)
    await sees(w, {ONE: 100}, (ONE, ""))
    await serve(w, "canaryTrafficPercent: 10", version=2)
    await sees(w, {TWO: 10, ONE: 90}, (ONE, ""))
    await w.until(lambda: shares(predictor(w)) == [(TWO, 10, ""), (ONE, 90, "prev")])
    # Another percentage is another split, and no other revision.
    await serve(w, "canaryTrafficPercent: 0", version=2)
    await sees(w, {ONE: 100}, (ONE, ""))
    await serve(w, "canaryTrafficPercent: 50", version=2)
    await sees(w, {TWO: 50, ONE: 50}, (ONE, ""))
    await serve(w, version=2)
    await sees(w, {TWO: 100}, (TWO, ONE))
    # It was rolled out already: 0 brings back the one before it.
    await serve(w, "canaryTrafficPercent: 0", version=2)
    await sees(w, {ONE: 100}, (ONE, ONE))
    await w.until(lambda: shares(predictor(w)) == [(TWO, 0, ""), (ONE, 100, "prev")], lambda: predictor(w))
    await serve(w, version=2)
    await sees(w, {TWO: 100}, (TWO, ONE))
    assert w.names(REVISION) == [ONE, TWO]


@in_world("serving")
async def test_a_revision_that_never_becomes_ready_gets_no_traffic_and_says_so(w: World) -> None:
    await serve(w)
    await sees(w, {ONE: 100}, (ONE, ""))
    await w.until(lambda: ready(w) == ("True", ""))
    w.machine.exits["kserve-container"] = 1
    await serve(w, "canaryTrafficPercent: 50", version=2)
    # A container that keeps failing is restarted a few times before its Pod counts as hopeless.
    await w.passes(60, lambda: condition(isvc(w), "PredictorConfigurationReady")[0] == "False")
    assert weights(w) == {ONE: 100} and rolled_out(w) == (ONE, "")
    assert shares(predictor(w)) == [(ONE, 50, ""), (ONE, 50, "prev")]
    found = predictor(w)
    assert (found["latestCreatedRevision"], found["latestReadyRevision"]) == (TWO, ONE)
    assert condition(w.get(CONFIGURATION, "iris-predictor"), "Ready") == ("False", "RevisionFailed")
    assert condition(w.get(ROUTE, "iris-predictor"), "AllTrafficAssigned") == ("True", "")
    assert isvc(w)["status"]["modelStatus"]["transitionStatus"] == "BlockedByFailedLoad"
    # The next version that works takes its place.
    del w.machine.exits["kserve-container"]
    await serve(w, "canaryTrafficPercent: 50", version=3)
    await sees(w, {THREE: 50, ONE: 50}, (ONE, ""))
    await w.until(lambda: state(w, TWO) == "reserve")


@in_world("serving")
async def test_tags_have_hosts_of_their_own_and_go_with_them(w: World) -> None:
    await serve(w)
    await sees(w, {ONE: 100}, (ONE, ""))
    tagged = dict(isvc(w), metadata={"name": "iris", "namespace": "here"})
    tagged["metadata"]["annotations"] = {"serving.kserve.io/enable-tag-routing": "true"}
    tagged.pop("status")
    await w.apply([tagged])
    await w.until(lambda: shares(predictor(w)) == [(ONE, 100, "latest")])
    await serve(w, "canaryTrafficPercent: 0", version=2)
    await w.until(lambda: shares(predictor(w)) == [(TWO, 0, "latest"), (ONE, 100, "prev")])
    urls = [target["url"] for target in predictor(w)["traffic"]]
    assert urls == [f"http://{tag}-iris-predictor.here.example.com" for tag in ("latest", "prev")]
    spec = (w.get(VIRTUAL_SERVICE, "iris-predictor-ingress") or {})["spec"]
    assert {url.removeprefix("http://") for url in urls} < set(spec["hosts"])
    led = {rule["match"][0]["authority"]["prefix"]: rule["route"][0]["destination"]["host"] for rule in spec["http"]}
    assert led == {
        "iris-predictor.here": f"{ONE}.here.svc.cluster.local",
        "latest-iris-predictor.here": f"{TWO}.here.svc.cluster.local",
        "prev-iris-predictor.here": f"{ONE}.here.svc.cluster.local",
    }
    assert {"latest-iris-predictor", "prev-iris-predictor"} < set(w.names(SERVICE))
    await serve(w, "canaryTrafficPercent: 100", version=2)
    await w.until(lambda: "prev-iris-predictor" not in w.names(SERVICE))
    assert {"latest-iris-predictor", "iris-predictor"} < set(w.names(SERVICE))


@in_world("serving")
async def test_a_percentage_is_within_bounds(w: World) -> None:
    for percent in (-1, 101):
        with pytest.raises(ApiError) as error:
            await serve(w, f"canaryTrafficPercent: {percent}")
        assert error.value.code == 422 and "canaryTrafficPercent" in error.value.message
