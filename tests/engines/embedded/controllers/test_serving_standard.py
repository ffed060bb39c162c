"""An InferenceService in Standard mode → a Deployment, its Service, its autoscaler and the way in; and back up as conditions."""

from __future__ import annotations

import pytest

from iiab_lab.engines.embedded.objects.kinds import (
    DEPLOYMENT,
    ENDPOINT_SLICE,
    EVENT,
    HORIZONTAL_POD_AUTOSCALER,
    INFERENCE_SERVICE,
    KNATIVE_SERVICE,
    SERVICE,
    VIRTUAL_SERVICE,
    Key,
    Kind,
)
from iiab_lab.engines.embedded.objects.meta import Object
from iiab_lab.errors import ApiError

from .world import World, condition, in_world

ISVC = """
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata:
  name: iris
  namespace: here
  labels: {team: red}
  annotations: {serving.kserve.io/deploymentMode: %s, %s}
spec:
  predictor:
    %s
    model: {modelFormat: {name: sklearn}, storageUri: "pvc://models/iris"}
"""
CLAIM = """
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: models, namespace: here}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
"""


async def serve(w: World, predictor: str = "maxReplicas: 3", annotation: str = "", mode: str = "Standard") -> None:
    w.machine.exits["storage-initializer"] = 0
    await w.apply(CLAIM)
    await w.apply(ISVC % (mode, annotation or "example.org/a: b", predictor))


def ready(w: World, type_: str = "Ready") -> tuple[str, str]:
    return condition(w.get(INFERENCE_SERVICE, "iris"), type_)


def status(w: World) -> Object:
    return (w.get(INFERENCE_SERVICE, "iris") or {}).get("status") or {}


def spec(w: World, kind: Kind) -> Object:
    return (w.get(kind, "iris-predictor") or {}).get("spec") or {}


@in_world("serving")
async def test_it_becomes_kubernetes_own_objects_and_is_ready(w: World) -> None:
    await serve(w)
    await w.until(lambda: ready(w) == ("True", ""), lambda: status(w))
    assert w.names(KNATIVE_SERVICE) == [] and w.names(DEPLOYMENT) == ["iris-predictor"]
    (pod,) = w.pods()
    labels = pod["metadata"]["labels"]
    assert labels["serving.kserve.io/inferenceservice"] == "iris" and labels["app"] == "isvc.iris-predictor"
    assert (labels["component"], labels["team"]) == ("predictor", "red")
    assert spec(w, SERVICE)["selector"] == {"app": "isvc.iris-predictor"}
    await w.until(
        lambda: [s["endpoints"][0]["conditions"]["ready"] for s in w.client.list(ENDPOINT_SLICE, "here")] == [True]
    )
    assert status(w)["deploymentMode"] == "Standard"
    assert status(w)["url"] == "http://iris.here.example.com"
    assert status(w)["address"] == {"url": "http://iris-predictor.here.svc.cluster.local"}
    assert status(w)["components"] == {"predictor": {"url": "http://iris-predictor.here.example.com"}}
    assert status(w)["modelStatus"]["states"] == {"activeModelState": "Loaded", "targetModelState": "Loaded"}
    assert ready(w, "PredictorReady") == ready(w, "IngressReady") == ("True", "")


@in_world("serving")
async def test_the_way_in_leads_to_its_service(w: World) -> None:
    await serve(w)
    found = await w.until(lambda: w.get(VIRTUAL_SERVICE, "iris"))
    assert found["spec"]["hosts"] == ["iris.here.example.com", "iris-predictor.here.example.com"]
    (rule,) = found["spec"]["http"]
    assert rule["route"][0]["destination"] == {"host": "iris-predictor.here.svc.cluster.local", "port": {"number": 80}}


@in_world("serving")
async def test_its_autoscaler_has_kserves_defaults(w: World) -> None:
    await serve(w, "minReplicas: 0\n    maxReplicas: 3")
    await w.until(lambda: spec(w, HORIZONTAL_POD_AUTOSCALER))
    scaler = spec(w, HORIZONTAL_POD_AUTOSCALER)
    assert (scaler["minReplicas"], scaler["maxReplicas"]) == (1, 3)
    assert scaler["scaleTargetRef"] == {"apiVersion": "apps/v1", "kind": "Deployment", "name": "iris-predictor"}
    assert scaler["metrics"][0]["resource"] == {
        "name": "cpu",
        "target": {"type": "Utilization", "averageUtilization": 80},
    }
    assert scaler["behavior"]["scaleUp"]["selectPolicy"] == "Max"


@in_world("serving")
async def test_load_scales_it_and_a_later_look_does_not_undo_that(w: World) -> None:
    w.machine.load = (0.3, 2**20)
    await serve(w)
    await w.passes(120, lambda: spec(w, DEPLOYMENT).get("replicas") == 3)
    await w.passes(60, lambda: ready(w) == ("True", ""))
    await serve(w, "maxReplicas: 3\n    minReplicas: 2")
    await w.until(lambda: spec(w, HORIZONTAL_POD_AUTOSCALER)["minReplicas"] == 2)
    await w.quiet()
    assert spec(w, DEPLOYMENT)["replicas"] == 3 and len(w.pods()) == 3
    assert any(e["reason"] == "SuccessfulRescale" for e in w.client.list(EVENT, "here"))


@in_world("serving")
async def test_without_an_autoscaler_the_size_is_min_replicas(w: World) -> None:
    await serve(w, "minReplicas: 2")
    await w.until(lambda: w.names(HORIZONTAL_POD_AUTOSCALER) == ["iris-predictor"])
    await serve(w, "minReplicas: 2", "serving.kserve.io/autoscalerClass: none")
    await w.until(lambda: w.names(HORIZONTAL_POD_AUTOSCALER) == [])
    await serve(w, "minReplicas: 3", "serving.kserve.io/autoscalerClass: none")
    await w.until(lambda: spec(w, DEPLOYMENT)["replicas"] == 3)


@in_world("serving")
async def test_a_server_that_does_not_start_shows_at_the_top(w: World) -> None:
    w.machine.exits["kserve-container"] = 3
    await serve(w)
    await w.until(lambda: ready(w, "PredictorReady") == ("False", "MinimumReplicasUnavailable"), lambda: status(w))
    assert ready(w, "IngressReady") == ("False", "Predictor ingress not created") and "url" not in status(w)
    await w.until(lambda: status(w)["modelStatus"]["transitionStatus"] == "BlockedByFailedLoad")


@in_world("serving")
async def test_the_older_name_of_the_mode_means_the_same_and_the_mode_stays(w: World) -> None:
    await serve(w, mode="RawDeployment")
    await w.until(lambda: status(w).get("deploymentMode") == "Standard")
    await serve(w, mode="Standard")
    with pytest.raises(ApiError, match="deploymentMode cannot be changed from 'Standard' to 'Knative'"):
        await serve(w, mode="Knative")
    assert w.client.get(DEPLOYMENT, Key("here", "iris-predictor"))


@in_world("serving")
async def test_what_a_mode_does_not_know_is_refused(w: World) -> None:
    for given, why in (
        ({"mode": "ModelMesh"}, r"\[ModelMesh\] is not a supported deployment mode"),
        ({"annotation": "serving.kserve.io/autoscalerClass: keda"}, r"\[keda\] is not a supported autoscaler class"),
        ({"predictor": "scaleMetric: rps"}, r"\[rps\] is not a supported metric"),
        ({"predictor": "scaleMetric: cpu", "mode": "Knative"}, r"\[cpu\] is not a supported metric"),
        ({"predictor": "scaleTarget: 101"}, r"the target utilization percentage should be a \[1-100\] integer"),
    ):
        with pytest.raises(ApiError, match=why):
            await serve(w, **given)
