"""What Pods have in hand → how many there are, from zero and back, as everything around the autoscaler plays along."""

from __future__ import annotations

from iiab_lab.engines.embedded.objects.kinds import (
    DEPLOYMENT,
    ENDPOINT_SLICE,
    HORIZONTAL_POD_AUTOSCALER,
    POD_AUTOSCALER,
    REVISION,
    Key,
)
from iiab_lab.engines.embedded.rules.autoscaling.autoscaler import ACTIVATOR
from iiab_lab.engines.embedded.rules.autoscaling.metrics import Stat

from .test_serving import AUTOSCALER, CLAIM, isvc, ready
from .world import World, condition, in_world

NAME = "iris-predictor-00001"
KEY = Key("here", NAME)
ISVC = """
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata: {name: iris, namespace: here, annotations: {autoscaling.knative.dev/window: 6s}}
spec:
  predictor:
    minReplicas: 0
    maxReplicas: 4
    containerConcurrency: 2
    model: {modelFormat: {name: sklearn}, storageUri: "pvc://models/iris"}
"""
HOLDING = """
apiVersion: v1
kind: Pod
metadata: {name: activator, namespace: knative-serving, labels: {app: activator}}
spec: {containers: [{name: activator, image: knative/activator, ports: [{containerPort: 8012}]}]}
"""


def replicas(w: World) -> int:
    return int((w.get(DEPLOYMENT, f"{NAME}-deployment") or {"spec": {"replicas": -1}})["spec"]["replicas"])


def leads_to(w: World) -> set[str]:
    slices = w.client.list(ENDPOINT_SLICE, "here", {"kubernetes.io/service-name": NAME})
    return {end["targetRef"]["name"].partition("-")[0] for one in slices for end in one["endpoints"]}


async def second(w: World, in_flight: float, at_activator: float = 0.0) -> None:
    """One second in which each Pod had so much in hand."""
    pods = [Stat(pod.name, in_flight, 0.0, in_flight, 0.0) for pod in w.load.pods[KEY]]
    w.load.tell(KEY, w.clock.now(), *pods, Stat(ACTIVATOR, at_activator, 0.0, at_activator, 0.0))
    await w.quiet()
    w.clock.advance(1.0)


async def served(w: World) -> None:
    w.machine.exits["storage-initializer"] = 0
    for text in (CLAIM, AUTOSCALER, HOLDING, ISVC):
        await w.apply(text)
    await w.until(lambda: ready(w) == ("True", ""), lambda: isvc(w).get("status"))


async def at_zero(w: World) -> None:
    await served(w)
    for _ in range(40):
        if not w.pods():
            break
        await second(w, 0.0)
    assert not w.pods() and replicas(w) == 0


@in_world("serving")
async def test_without_requests_it_goes_to_zero_and_the_revision_stays_ready(w: World) -> None:
    await at_zero(w)
    assert condition(w.get(POD_AUTOSCALER, NAME), "Active") == ("False", "NoTraffic")
    assert condition(w.get(REVISION, NAME), "Ready") == ("True", "")
    assert condition(w.get(REVISION, NAME), "Active") == ("False", "NoTraffic")
    assert ready(w) == ("True", "")
    assert isvc(w)["status"]["modelStatus"]["states"]["activeModelState"] == "Standby"
    assert leads_to(w) == {"activator"}


@in_world("serving")
async def test_the_first_request_waits_for_no_tick(w: World) -> None:
    await at_zero(w)
    before = w.clock.now()
    w.load.tell(KEY, before, Stat(ACTIVATOR, 1.0, 0.0, 1.0, 0.0))
    await w.until(lambda: w.load.capacities[KEY].backends, lambda: w.get(POD_AUTOSCALER, NAME))
    assert w.clock.now() == before
    assert w.load.capacities[KEY].limit == 2
    await w.until(lambda: leads_to(w) == {"iris"}, lambda: leads_to(w))


@in_world("serving")
async def test_replicas_follow_the_load_up_to_the_most_and_never_down_in_panic(w: World) -> None:
    await served(w)
    seen = []
    for _ in range(8):
        await second(w, 6.0)
        seen.append(replicas(w))
    assert seen[-1] == 4 and seen == sorted(seen)
    assert any(decision.panicking for _, decision in w.ticks.decisions)
    await w.until(lambda: len(w.load.pods[KEY]) == 4)


@in_world("serving")
async def test_what_no_route_leads_to_goes_to_zero_whatever_its_least_is(w: World) -> None:
    await served(w)
    await w.apply(ISVC.replace("minReplicas: 0", "minReplicas: 1"))
    await w.until(lambda: (w.get(REVISION, "iris-predictor-00002") or {}).get("status"))
    await w.until(lambda: (w.get(POD_AUTOSCALER, NAME) or {})["spec"].get("reachability") == "Unreachable")


@in_world("serving")
async def test_a_model_that_cannot_load_is_told_to_whoever_waits(w: World) -> None:
    w.machine.exits["kserve-container"] = 1
    w.machine.exits["storage-initializer"] = 0
    for text in (CLAIM, AUTOSCALER, HOLDING, ISVC):
        await w.apply(text)
    await w.until(lambda: KEY in w.load.capacities and "last words" in w.load.capacities[KEY].failure)


@in_world("serving")
async def test_the_hpa_class_is_scaled_by_a_horizontal_pod_autoscaler(w: World) -> None:
    w.machine.exits["storage-initializer"] = 0
    by_cpu = '{autoscaling.knative.dev/class: hpa.autoscaling.knative.dev, autoscaling.knative.dev/metric: cpu, autoscaling.knative.dev/target: "50"}'
    text = ISVC.replace("{autoscaling.knative.dev/window: 6s}", by_cpu).replace("minReplicas: 0", "minReplicas: 2")
    for one in (CLAIM, AUTOSCALER, text):
        await w.apply(one)
    await w.until(lambda: ready(w) == ("True", ""), lambda: isvc(w).get("status"))
    made = w.get(HORIZONTAL_POD_AUTOSCALER, NAME)
    assert made and (made["spec"]["minReplicas"], made["spec"]["maxReplicas"]) == (2, 4)
    assert made["spec"]["metrics"][0]["resource"] == {
        "name": "cpu",
        "target": {"type": "Utilization", "averageUtilization": 50},
    }
    # The HorizontalPodAutoscaler may have looked before both Pods were there; it looks again in 15 s.
    await w.passes(60, lambda: condition(w.get(POD_AUTOSCALER, NAME), "Ready") == ("True", ""))
    assert KEY not in w.load.capacities and replicas(w) == 2
    await w.until(lambda: leads_to(w) == {"iris"}, lambda: leads_to(w))
