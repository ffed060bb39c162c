"""A workload that grows and shrinks with what its Pods use, and every reason why it does not."""

from __future__ import annotations

from typing import Any

from iiab_lab.engines.embedded.objects.kinds import DEPLOYMENT, EVENT, HORIZONTAL_POD_AUTOSCALER, POD, REPLICA_SET
from iiab_lab.engines.embedded.objects.meta import Object
from iiab_lab.engines.embedded.objects.sandbox import Usage

from .world import World, condition, in_world

WORKLOAD = """
apiVersion: apps/v1
kind: %s
metadata: {name: web, namespace: here}
spec:
  replicas: %d
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: main, image: "iiab-lab/models:1", resources: {%s}}]}
"""
AUTOSCALER = """
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: %s, namespace: here}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: %s, name: web}
  minReplicas: 1
  maxReplicas: 5
  metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 50}}}]
  %s
"""


async def scaled(
    w: World, replicas: int = 1, kind: str = "Deployment", request: str = "requests: {cpu: 100m}", more: str = ""
) -> None:
    await w.apply(WORKLOAD % (kind, replicas, request))
    await w.until(lambda: ready(w) == replicas)
    await w.apply(AUTOSCALER % ("web", kind, more))
    await w.until(lambda: said(w, "AbleToScale"))


def ready(w: World) -> int:
    return sum(condition(pod, "Ready")[0] == "True" for pod in w.pods())


def size(w: World, kind: Any = DEPLOYMENT) -> int:
    return int((w.get(kind, "web") or {"spec": {"replicas": -1}})["spec"]["replicas"])


def status(w: World) -> Object:
    return (w.get(HORIZONTAL_POD_AUTOSCALER, "web") or {}).get("status") or {}


def said(w: World, type_: str) -> str:
    return condition(w.get(HORIZONTAL_POD_AUTOSCALER, "web"), type_)[1]


def message(w: World, type_: str) -> str:
    return next((str(c["message"]) for c in status(w)["conditions"] if c["type"] == type_), "")


def events(w: World) -> dict[str, str]:
    found = w.client.list(EVENT, "here")
    return {e["reason"]: e["message"] for e in found if e["involvedObject"]["kind"] == "HorizontalPodAutoscaler"}


@in_world()
async def test_load_adds_pods_and_its_end_removes_them_after_five_minutes(w: World) -> None:
    w.machine.load = (0.1, 2**20)  # twice the target
    await scaled(w)
    await w.passes(90, lambda: size(w) >= 2)
    await w.quiet()
    assert said(w, "ScalingActive") == "ValidMetricFound"
    assert events(w)["SuccessfulRescale"].endswith(
        "reason: cpu resource utilization (percentage of request) above target"
    )
    assert status(w)["lastScaleTime"]
    await w.passes(300, lambda: size(w) == 5 and ready(w) == 5)
    await w.passes(60, lambda: said(w, "ScalingLimited") == "TooManyReplicas")
    w.machine.load = (0.0, 2**20)
    took = await w.passes(600, lambda: size(w) == 1, step=15)
    assert took >= 270
    assert events(w)["SuccessfulRescale"]
    await w.until(lambda: ready(w) == 1)
    await w.passes(60, lambda: said(w, "AbleToScale") == "ReadyForNewScale")
    assert said(w, "ScalingLimited") == "TooFewReplicas"
    current = {"averageUtilization": 0, "averageValue": "0"}
    assert status(w)["currentMetrics"] == [{"type": "Resource", "resource": {"name": "cpu", "current": current}}]
    assert (status(w)["currentReplicas"], status(w)["desiredReplicas"]) == (1, 1)


@in_world()
async def test_until_there_is_a_metric_nothing_is_scaled(w: World) -> None:
    w.machine.measured = False
    await scaled(w, 2)
    await w.until(lambda: said(w, "ScalingActive") == "FailedGetResourceMetric")
    why = "failed to get cpu utilization: unable to get metrics for resource cpu: no metrics returned from resource metrics API"
    assert message(w, "ScalingActive") == f"the HPA was unable to compute the replica count: {why}"
    await w.until(lambda: "FailedComputeMetricsReplicas" in events(w))
    assert events(w)["FailedGetResourceMetric"] == why
    w.machine.measured = True
    await w.passes(60, lambda: said(w, "ScalingActive") == "ValidMetricFound")
    assert size(w) == 2


@in_world()
async def test_pods_that_request_nothing_have_no_utilization(w: World) -> None:
    await scaled(w, request="")
    await w.passes(60, lambda: "missing request for cpu in container main of Pod web-" in message(w, "ScalingActive"))


@in_world()
async def test_a_number_out_of_bounds_is_put_right_without_any_metric(w: World) -> None:
    w.machine.measured = False
    await scaled(w, 7)
    await w.until(lambda: size(w) == 5)
    await w.quiet()  # the number is written first; what is said of it, after
    assert events(w)["SuccessfulRescale"] == "New size: 5; reason: Current number of replicas above Spec.MaxReplicas"
    assert message(w, "AbleToScale") == "the HPA controller was able to update the target scale to 5"


@in_world()
async def test_a_workload_of_none_is_left_alone(w: World) -> None:
    await scaled(w, 0)
    await w.until(lambda: said(w, "ScalingActive") == "ScalingDisabled")
    assert size(w) == 0


@in_world()
async def test_a_replica_set_is_scaled_as_well(w: World) -> None:
    w.machine.load = (0.1, 2**20)
    await scaled(w, kind="ReplicaSet")
    await w.passes(90, lambda: size(w, REPLICA_SET) >= 2)


@in_world()
async def test_what_is_not_there_or_cannot_be_scaled_is_named(w: World) -> None:
    await w.apply(AUTOSCALER % ("web", "Deployment", ""))
    await w.until(lambda: said(w, "AbleToScale") == "FailedGetScale")
    text = "the HPA controller was unable to get the target's current scale: "
    assert message(w, "AbleToScale") == f'{text}deployments.apps "web" not found'
    assert events(w)["FailedGetScale"] == 'deployments.apps "web" not found'
    await w.apply(AUTOSCALER % ("web", "StatefulSet", ""))
    await w.passes(20, lambda: message(w, "AbleToScale") == f'{text}no matches for kind "StatefulSet" in group "apps"')


@in_world()
async def test_two_that_pull_at_one_workload_both_let_go(w: World) -> None:
    w.machine.load = (0.1, 2**20)
    await w.apply(AUTOSCALER % ("other", "Deployment", ""))
    await scaled(w)
    await w.passes(30, lambda: said(w, "ScalingActive") == "AmbiguousSelector")
    assert (
        message(w, "ScalingActive") == "pods by selector app=web are controlled by multiple HPAs: [here/other here/web]"
    )
    assert size(w) == 1


@in_world()
async def test_a_policy_holds_the_rate(w: World) -> None:
    w.machine.load = (0.5, 2**20)
    policy = "{type: Pods, value: 1, periodSeconds: 60}"
    await scaled(w, more=f"behavior: {{scaleUp: {{policies: [{policy}]}}}}")
    await w.passes(60, lambda: size(w) == 2)
    assert said(w, "ScalingLimited") == "ScaleUpLimit"
    assert await w.passes(90, lambda: size(w) == 3) >= 45


@in_world()
async def test_a_pod_that_another_workload_owns_does_not_count(w: World) -> None:
    await scaled(w)
    uid = w.pods()[0]["metadata"]["uid"]
    busy = {"main": Usage(w.clock.now(), 15.0, 5.0, 2**20)}
    w.machine.usage = lambda pod: {} if pod == uid else busy  # type: ignore[method-assign]
    await w.apply((WORKLOAD % ("ReplicaSet", 1, "requests: {cpu: 100m}")).replace("web", "other"))
    await w.until(lambda: ready(w) == 2 and len(w.client.list(POD, "here")) == 2)
    await w.passes(60, lambda: said(w, "ScalingActive") == "FailedGetResourceMetric")
    assert size(w) == 1
