"""InferenceService → everything below it, and how what happens there comes back up as conditions."""

from __future__ import annotations

from iiab_lab.engines.embedded.objects.kinds import (
    CONFIGURATION,
    DEPLOYMENT,
    ENDPOINT_SLICE,
    INFERENCE_SERVICE,
    KNATIVE_SERVICE,
    POD_AUTOSCALER,
    REPLICA_SET,
    REVISION,
    ROUTE,
    SERVICE,
    VIRTUAL_SERVICE,
    Key,
)
from iiab_lab.engines.embedded.objects.meta import Object
from iiab_lab.engines.embedded.rules.autoscaling.metrics import Stat

from .world import World, condition, in_world

ISVC = """
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata: {name: iris, namespace: here}
spec:
  predictor:
    minReplicas: 1
    %s
    model: {modelFormat: {name: %s}, storageUri: "pvc://models/iris", env: [{name: VERSION, value: "%s"}]}
"""
CLAIM = """
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: models, namespace: here}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
"""


AUTOSCALER = """
{apiVersion: v1, kind: Namespace, metadata: {name: knative-serving}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: config-autoscaler, namespace: knative-serving}
data: {target-burst-capacity: "0"}
"""


async def serve(w: World, more: str = "", format_: str = "sklearn", version: int = 1) -> None:
    w.machine.exits["storage-initializer"] = 0
    await w.apply(CLAIM)
    await w.apply(AUTOSCALER)
    await w.apply(ISVC % (more, format_, version))


def isvc(w: World) -> Object:
    found = w.get(INFERENCE_SERVICE, "iris")
    assert found
    return found


def ready(w: World) -> tuple[str, str]:
    return condition(w.get(INFERENCE_SERVICE, "iris"), "Ready")


def weights(w: World) -> dict[str, int]:
    found = w.get(VIRTUAL_SERVICE, "iris-predictor-ingress") or {"spec": {"http": [{"route": []}]}}
    routes = found["spec"]["http"][0]["route"]
    return {route["destination"]["host"].split(".")[0]: route.get("weight", 100) for route in routes}


@in_world("serving")
async def test_one_inference_service_becomes_the_family_a_learner_lists(w: World) -> None:
    await serve(w)
    await w.until(lambda: ready(w) == ("True", ""), lambda: isvc(w).get("status"))
    assert w.names(KNATIVE_SERVICE) == w.names(CONFIGURATION) == w.names(ROUTE) == ["iris-predictor"]
    assert w.names(REVISION) == w.names(POD_AUTOSCALER) == ["iris-predictor-00001"]
    assert w.names(DEPLOYMENT) == ["iris-predictor-00001-deployment"]
    assert len(w.names(REPLICA_SET)) == len(w.pods()) == 1
    assert {"iris-predictor-00001", "iris-predictor"} <= set(w.names(SERVICE))
    assert w.names(VIRTUAL_SERVICE) == ["iris", "iris-predictor-ingress"]
    status = isvc(w)["status"]
    assert status["url"] == "http://iris.here.example.com"
    assert status["modelStatus"]["states"] == {"activeModelState": "Loaded", "targetModelState": "Loaded"}
    assert {c["type"] for c in status["conditions"]} >= {
        "Ready",
        "PredictorReady",
        "IngressReady",
        "PredictorConfigurationReady",
        "PredictorRouteReady",
    }
    assert condition(w.get(REVISION, "iris-predictor-00001"), "ContainerHealthy") == ("True", "")
    assert condition(w.get(KNATIVE_SERVICE, "iris-predictor"), "RoutesReady") == ("True", "")


@in_world("serving")
async def test_the_pod_has_storage_a_sidecar_and_the_models_arguments(w: World) -> None:
    await w.apply("{apiVersion: v1, kind: Namespace, metadata: {name: here, labels: {istio-injection: enabled}}}")
    await serve(w)
    await w.until(lambda: ready(w) == ("True", ""))
    pod = w.pods()[0]
    assert [c["name"] for c in pod["spec"]["initContainers"]] == ["storage-initializer"]
    assert [c["name"] for c in pod["spec"]["containers"]] == ["kserve-container", "istio-proxy"]
    serving = w.machine.specs[pod["metadata"]["name"], "kserve-container"]
    assert serving.env["K_REVISION"] == "iris-predictor-00001" and serving.env["VERSION"] == "1"
    assert "--model_name=iris" in serving.args
    order = [name for _, name, _ in w.machine.started]
    assert order.index("storage-initializer") < order.index("kserve-container")


@in_world("serving")
async def test_readiness_decides_over_the_whole_chain(w: World) -> None:
    w.machine.unready.add("kserve-container")
    await serve(w)
    await w.until(lambda: w.pods() and condition(w.pods()[0], "Ready")[0] == "False")
    assert ready(w)[0] in ("Unknown", "False", "")
    assert condition(w.get(REVISION, "iris-predictor-00001"), "Ready")[0] == "Unknown"
    w.machine.unready.clear()
    await w.passes(5, lambda: ready(w) == ("True", ""), 0.05)

    def served() -> list[bool]:
        slices = w.client.list(ENDPOINT_SLICE, "here", {"kubernetes.io/service-name": "iris-predictor-00001"})
        return [e["conditions"]["ready"] for s in slices for e in s["endpoints"]]

    # Until the autoscaler has decided for the first time, the activator stands in the path.
    w.load.tell(Key("here", "iris-predictor-00001"), w.clock.now(), Stat("iris"))
    await w.passes(5, lambda: served() == [True])


@in_world("serving")
async def test_a_changed_template_is_a_new_revision_that_takes_over_when_it_is_ready(w: World) -> None:
    await serve(w)
    await w.until(lambda: ready(w) == ("True", ""))
    w.machine.unready.add("kserve-container")
    await serve(w, version=2)
    await w.until(lambda: w.names(REVISION) == ["iris-predictor-00001", "iris-predictor-00002"])
    await w.until(lambda: len(w.pods()) == 2)
    assert weights(w) == {"iris-predictor-00001": 100}
    w.machine.unready.clear()
    await w.passes(5, lambda: weights(w) == {"iris-predictor-00002": 100}, 0.05)


@in_world("serving")
async def test_a_canary_splits_and_its_end_gives_everything_to_the_latest(w: World) -> None:
    await serve(w)
    await w.until(lambda: weights(w) == {"iris-predictor-00001": 100})
    await w.until(lambda: isvc(w)["status"]["components"]["predictor"].get("latestRolledoutRevision"))
    await serve(w, "canaryTrafficPercent: 10", version=2)
    await w.until(lambda: weights(w) == {"iris-predictor-00002": 10, "iris-predictor-00001": 90}, lambda: weights(w))
    await serve(w, "canaryTrafficPercent: 100", version=2)
    await w.until(lambda: weights(w) == {"iris-predictor-00002": 100})


@in_world("serving")
async def test_no_runtime_for_the_format_is_told_with_the_reason(w: World) -> None:
    await serve(w, format_="no-such-format")
    failure = await w.until(lambda: (isvc(w).get("status") or {}).get("modelStatus", {}).get("lastFailureInfo"))
    assert failure["reason"] == "NoSupportingRuntime" and "no-such-format" in failure["message"]
    assert w.pods() == []


@in_world("serving")
async def test_deleting_it_takes_everything_along(w: World) -> None:
    await serve(w)
    await w.until(lambda: ready(w) == ("True", ""))
    await w.client.delete(INFERENCE_SERVICE, Key("here", "iris"))
    kinds = (KNATIVE_SERVICE, CONFIGURATION, ROUTE, REVISION, DEPLOYMENT, REPLICA_SET, VIRTUAL_SERVICE, ENDPOINT_SLICE)
    await w.until(
        lambda: not w.pods() and not any(w.names(kind) for kind in kinds), lambda: {k.kind: w.names(k) for k in kinds}
    )
    assert w.machine.running() == 0
