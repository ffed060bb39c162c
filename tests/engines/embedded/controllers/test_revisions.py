"""Releases as their owners see them: canary, promotion, rollback, tags, blue and green, revisions that fail or grow old."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from iiab_lab.engines.embedded.objects.kinds import (
    CONFIGURATION,
    DEPLOYMENT,
    KNATIVE_SERVICE,
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


KSVC = """
apiVersion: serving.knative.dev/v1
kind: Service
metadata: {name: web, namespace: here}
spec:
  template:
    metadata: {name: web-%s}
    spec: {containers: [{image: "iiab-lab/models:1"}]}
  traffic: [%s]
"""


def split(w: World) -> dict[str, int]:
    found = w.get(VIRTUAL_SERVICE, "web-ingress") or {"spec": {"http": [{"route": []}]}}
    routes: Iterable[dict[str, Any]] = found["spec"]["http"][0]["route"]
    return {one["destination"]["host"].split(".")[0]: one["weight"] for one in routes}


def web(w: World) -> tuple[str, str]:
    return condition(w.get(KNATIVE_SERVICE, "web"), "Ready")


@in_world()
async def test_blue_and_green_change_places_and_back(w: World) -> None:
    await w.apply(KSVC % ("blue", "{percent: 100}"))
    await w.until(lambda: split(w) == {"web-blue": 100} and web(w) == ("True", ""))
    # Green comes up beside it, under a name to try it by.
    await w.apply(KSVC % ("green", "{revisionName: web-blue, percent: 100}, {latestRevision: true, tag: green}"))
    await w.until(lambda: web(w) == ("True", "") and state(w, "web-green") == "active")
    status = (w.get(KNATIVE_SERVICE, "web") or {})["status"]
    assert shares(status) == [("web-blue", 100, ""), ("web-green", 0, "green")]
    assert split(w) == {"web-blue": 100}
    for to, other in (("green", "blue"), ("blue", "green")):
        await w.apply(
            KSVC % ("green", f"{{revisionName: web-{to}, percent: 100}}, {{revisionName: web-{other}, percent: 0}}")
        )
        await w.until(lambda to=to: split(w) == {f"web-{to}": 100} and web(w) == ("True", ""))
        assert {state(w, "web-blue"), state(w, "web-green")} == {"active"}  # both stay warm
    await w.apply(KSVC % ("green", "{revisionName: web-green, percent: 100}"))
    await w.until(lambda: state(w, "web-blue") == "reserve")
    assert w.names(REVISION) == ["web-blue", "web-green"]
    # A kept revision is asked for again by its name.
    await w.apply(KSVC % ("green", "{revisionName: web-blue, percent: 100}"))
    await w.until(lambda: split(w) == {"web-blue": 100} and state(w, "web-green") == "reserve")


@in_world()
async def test_a_target_that_does_not_exist_leaves_traffic_where_it_is(w: World) -> None:
    await w.apply(KSVC % ("blue", "{percent: 100}"))
    await w.until(lambda: web(w) == ("True", ""))
    await w.apply(KSVC % ("blue", "{revisionName: web-grey, percent: 100}"))
    await w.until(lambda: web(w) == ("False", "RevisionMissing"))
    assert split(w) == {"web-blue": 100} and state(w, "web-blue") == "active"
    assert condition(w.get(ROUTE, "web"), "AllTrafficAssigned") == ("False", "RevisionMissing")


@in_world()
async def test_traffic_that_makes_no_whole_is_refused_in_knatives_words(w: World) -> None:
    with pytest.raises(ApiError) as error:
        await w.apply(KSVC % ("blue", "{percent: 60}, {revisionName: web-grey, percent: 30}"))
    assert error.value.code == 400 and "Traffic targets sum to 90, want 100: spec.traffic" in error.value.message
    await w.apply(KSVC % ("blue", "{revisionName: x, percent: 100}"))
    stored = (w.get(KNATIVE_SERVICE, "web") or {})["spec"]["traffic"]
    assert stored == [{"revisionName": "x", "percent": 100, "latestRevision": False}]


ROUTES = """
apiVersion: serving.knative.dev/v1
kind: Route
metadata: {name: both, namespace: here}
spec: {traffic: [{revisionName: web-blue, percent: 50}, {configurationName: other, percent: 50}]}
---
apiVersion: serving.knative.dev/v1
kind: Configuration
metadata: {name: other, namespace: here}
spec: {template: {spec: {containers: [{image: "iiab-lab/models:1"}]}}}
"""


@in_world()
async def test_a_route_of_its_own_joins_revisions_of_several(w: World) -> None:
    await w.apply(KSVC % ("blue", "{percent: 100}"))
    await w.apply(ROUTES)
    await w.until(lambda: condition(w.get(ROUTE, "both"), "Ready") == ("True", ""), lambda: w.get(ROUTE, "both"))
    assert shares((w.get(ROUTE, "both") or {})["status"]) == [("web-blue", 50, ""), ("other-00001", 50, "")]
    await w.until(lambda: state(w, "other-00001") == "active")


@in_world()
async def test_old_revisions_go_and_pinned_ones_stay(w: World) -> None:
    await w.apply("{apiVersion: v1, kind: Namespace, metadata: {name: knative-serving}}")
    for name in ("one", "two", "three"):
        await w.apply(KSVC % (name, "{percent: 100}"))
        await w.until(lambda name=name: split(w) == {f"web-{name}": 100})
    await w.until(
        lambda: [state(w, f"web-{name}") for name in ("one", "two", "three")] == ["reserve", "reserve", "active"]
    )
    pin = {"name": "web-one", "namespace": "here", "annotations": {"serving.knative.dev/no-gc": "true"}}
    await w.apply([{"apiVersion": "serving.knative.dev/v1", "kind": "Revision", "metadata": pin}])
    before = w.get(DEPLOYMENT, "web-one-deployment")
    settings = {"min-non-active-revisions": "0", "max-non-active-revisions": "0"}
    settings |= dict.fromkeys(("retain-since-create-time", "retain-since-last-active-time"), "disabled")
    meta = {"name": "config-gc", "namespace": "knative-serving"}
    await w.apply([{"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": settings}])
    await w.until(lambda: w.names(REVISION) == ["web-one", "web-three"])
    await w.until(lambda: "web-two-deployment" not in w.names(DEPLOYMENT))
    after = w.get(DEPLOYMENT, "web-one-deployment")
    assert before and after and before["spec"]["template"] == after["spec"]["template"]  # pinning starts nothing anew
    with pytest.raises(ApiError) as error:
        await w.apply(
            [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"min-non-active-revisions": "-1"}}]
        )
    assert "min-non-active-revisions must be non-negative, was: -1" in error.value.message


@in_world()
async def test_a_template_with_its_old_name_brings_its_old_revision_back(w: World) -> None:
    image = KSVC.replace("models:1", "models:2")
    await w.apply(KSVC % ("blue", "{percent: 100}"))
    await w.until(lambda: web(w) == ("True", ""))
    await w.apply(image % ("green", "{percent: 100}"))
    await w.until(lambda: split(w) == {"web-green": 100} and web(w) == ("True", ""))
    await w.apply(KSVC % ("blue", "{percent: 100}"))
    await w.until(lambda: split(w) == {"web-blue": 100} and web(w) == ("True", ""))
    assert w.names(REVISION) == ["web-blue", "web-green"]


@in_world()
async def test_a_name_that_another_template_has_is_taken(w: World) -> None:
    await w.apply(KSVC % ("blue", "{percent: 100}"))
    await w.until(lambda: web(w) == ("True", ""))
    await w.apply(KSVC % ("green", "{percent: 100}"))
    await w.until(lambda: split(w) == {"web-green": 100} and web(w) == ("True", ""))
    await w.apply(KSVC.replace("models:1", "models:2") % ("blue", "{percent: 100}"))
    await w.until(lambda: web(w) == ("False", "RevisionFailed"))
    assert condition(w.get(KNATIVE_SERVICE, "web"), "RoutesReady") == ("False", "RevisionNameTaken")
    assert split(w) == {"web-green": 100}


@in_world()
async def test_the_name_of_a_revision_is_checked(w: World) -> None:
    await w.apply(KSVC % ("blue", "{percent: 100}"))
    for text, said in (
        (
            KSVC.replace("models:1", "models:2") % ("blue", "{percent: 100}"),
            "Saw the following changes without a name change",
        ),
        (KSVC.replace("name: web-%s", "name: %s") % ("other", "{percent: 100}"), '"other" must have prefix "web-"'),
        (KSVC % ("B", "{percent: 100}"), "not a DNS 1035 label"),
    ):
        with pytest.raises(ApiError) as error:
            await w.apply(text)
        assert error.value.code == 400 and said in error.value.message
