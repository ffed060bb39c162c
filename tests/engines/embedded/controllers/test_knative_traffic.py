"""A Knative Service's revisions as its owner moves traffic among them: blue and green, old ones that go, names that are taken."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from iiab_lab.engines.embedded.objects.kinds import (
    DEPLOYMENT,
    KNATIVE_SERVICE,
    REVISION,
    ROUTE,
    VIRTUAL_SERVICE,
)
from iiab_lab.errors import ApiError

from .test_revisions import shares, state
from .world import World, condition, in_world

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
