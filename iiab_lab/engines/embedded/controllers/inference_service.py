"""InferenceService (Knative mode) → Knative Service and VirtualService; how they and the model fare → its status.

Reads:  InferenceServices, (Cluster)ServingRuntimes, the Knative Service, the predictor's Pods and revisions.
Writes: Knative Service `<name>-predictor`, VirtualService `<name>`; status.{url, address, components, modelStatus, conditions}.
Wakes:  on the InferenceService, on what it owns, on its Pods and revisions, on every runtime.
"""

from __future__ import annotations

from ..objects.conditions import Condition, condition, find, merge
from ..objects.kinds import CLUSTER_SERVING_RUNTIME, INFERENCE_SERVICE, KNATIVE_SERVICE, POD, REVISION, Key
from ..objects.meta import Object, key_of, labels_of, owner_keys
from ..objects.names import INFERENCE_SERVICE as LABEL
from ..objects.names import KN_REVISION
from ..objects.times import rfc3339
from ..reconcile.events import Recorder
from ..reconcile.ports import Client, Clock, Result, Watch
from ..rules import knative, kserve, model_status


class InferenceServiceController:
    name = "inferenceservice"

    def __init__(self, client: Client, clock: Clock, record: Recorder) -> None:
        self._client, self._clock, self._record = client, clock, record
        self.watches = (
            Watch(INFERENCE_SERVICE, lambda isvc: [key_of(isvc)]),
            Watch(KNATIVE_SERVICE, owner_keys("InferenceService")),
            Watch(POD, _labelled),
            Watch(REVISION, _labelled),
            Watch(CLUSTER_SERVING_RUNTIME, lambda _: [key_of(isvc) for isvc in client.list(INFERENCE_SERVICE)]),
        )

    async def reconcile(self, key: Key) -> Result | None:
        isvc = self._client.get(INFERENCE_SERVICE, key)
        if isvc is None or isvc["metadata"].get("deletionTimestamp"):
            return None
        runtimes = kserve.supporting(self._client.list(CLUSTER_SERVING_RUNTIME), isvc)
        if not runtimes:
            return await self._no_runtime(isvc)
        ksvc = await self._client.apply(kserve.service(isvc, runtimes[0]))
        await self._client.apply(kserve.virtual_service(isvc))
        await self._client.set_status(INFERENCE_SERVICE, key, self._status(isvc, ksvc, runtimes[0]))
        return None

    async def _no_runtime(self, isvc: Object) -> None:
        model, now = isvc["spec"]["predictor"].get("model") or {}, rfc3339(self._clock.now())
        wanted = model.get("runtime") or model["modelFormat"]["name"]
        message = f"No runtime found to support specified predictor with model type: {wanted}"
        if model.get("runtime"):
            message = f"Waiting for runtime {wanted} to become available"
        await self._record(isvc, "RuntimeNotRecognized", message, "Warning")
        failure = {
            "reason": "RuntimeNotRecognized" if model.get("runtime") else "NoSupportingRuntime",
            "message": message,
        }
        not_ready = condition("PredictorReady", False, failure["reason"], message, now=now)
        ingress = condition("IngressReady", "Unknown", "Predictor ingress not created", now=now)
        status = {
            "observedGeneration": isvc["metadata"].get("generation", 1),
            "deploymentMode": "Knative",
            "modelStatus": model_status.failed("InvalidSpec", failure, isvc),
            "conditions": merge((isvc.get("status") or {}).get("conditions"), knative.ready([not_ready, ingress], now)),
        }
        await self._client.set_status(INFERENCE_SERVICE, key_of(isvc), status)

    def _status(self, isvc: Object, ksvc: Object, runtime: Object) -> Object:
        meta, before = isvc["metadata"], isvc.get("status") or {}
        component = kserve.component(isvc, ksvc)
        pods = self._client.list(POD, meta["namespace"], {LABEL: meta["name"]})
        latest = [pod for pod in pods if labels_of(pod).get(KN_REVISION) == component.get("latestCreatedRevision")]
        status: Object = {
            "observedGeneration": meta.get("generation", 1),
            "deploymentMode": "Knative",
            "clusterServingRuntimeName": runtime["metadata"]["name"],
            "components": {"predictor": component},
            "modelStatus": model_status.observed(isvc, component, latest),
            "conditions": merge(before.get("conditions"), self._conditions(ksvc)),
        }
        if any(item["type"] == "IngressReady" and item["status"] == "True" for item in status["conditions"]):
            status["url"] = f"http://{knative.external(meta['name'], meta['namespace'])}"
            status["address"] = {"url": f"http://{meta['name']}.{meta['namespace']}.svc.cluster.local"}
        return status

    def _conditions(self, ksvc: Object) -> list[Condition]:
        now, current = rfc3339(self._clock.now()), ksvc if knative.is_current(ksvc) else None
        predictor = knative.copied("PredictorReady", current, "Ready", now)
        routed = find(current, "RoutesReady")
        if routed and routed["status"] == "True":
            ingress = condition("IngressReady", True, now=now)
        else:
            ingress = condition("IngressReady", "Unknown", "Predictor ingress not created", now=now)
        informational = [
            knative.copied("PredictorConfigurationReady", current, "ConfigurationsReady", now),
            knative.copied("LatestDeploymentReady", current, "ConfigurationsReady", now),
            knative.copied("PredictorRouteReady", current, "RoutesReady", now),
            knative.copied("RoutesReady", current, "RoutesReady", now),
            condition("Stopped", False, now=now),
        ]
        return [*({**item, "severity": "Info"} for item in informational), *knative.ready([predictor, ingress], now)]


def _labelled(obj: Object) -> list[Key]:
    name = labels_of(obj).get(LABEL)
    return [Key(obj["metadata"]["namespace"], name)] if name else []
