"""InferenceService → in Knative mode a Knative Service, in Standard mode a Deployment, its Service and autoscaler; and its status.

Reads:  InferenceServices, (Cluster)ServingRuntimes, the Knative Service or Deployment, the predictor's Pods and revisions.
Writes: these, all named `<name>-predictor`, and VirtualService `<name>`; status.{url, address, components, modelStatus, conditions}.
Wakes:  on the InferenceService, on what it owns, on its Pods and revisions, on every runtime.
"""

from __future__ import annotations

from ..objects.conditions import condition, is_true, merge
from ..objects.kinds import (
    CLUSTER_SERVING_RUNTIME,
    DEPLOYMENT,
    HORIZONTAL_POD_AUTOSCALER,
    INFERENCE_SERVICE,
    KNATIVE_SERVICE,
    POD,
    REVISION,
    Key,
)
from ..objects.meta import Object, controller_of, key_of, labels_of, owner_keys
from ..objects.names import INFERENCE_SERVICE as LABEL
from ..objects.names import KN_REVISION
from ..objects.pods import fortune
from ..objects.times import rfc3339
from ..reconcile.events import Recorder
from ..reconcile.ports import Client, Clock, Result, Watch
from ..rules import knative, kserve, kserve_canary, model_status
from ..rules import kserve_standard as standard


class InferenceServiceController:
    name = "inferenceservice"

    def __init__(self, client: Client, clock: Clock, record: Recorder) -> None:
        self._client, self._clock, self._record = client, clock, record
        self.watches = (
            Watch(INFERENCE_SERVICE, lambda isvc: [key_of(isvc)]),
            Watch(KNATIVE_SERVICE, owner_keys("InferenceService")),
            Watch(DEPLOYMENT, owner_keys("InferenceService")),
            Watch(POD, _labelled, fortune),
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
        deploy = self._standard if kserve.mode(isvc) == kserve.STANDARD else self._knative
        status = {
            "observedGeneration": isvc["metadata"].get("generation", 1),
            "deploymentMode": kserve.mode(isvc),
            "clusterServingRuntimeName": runtimes[0]["metadata"]["name"],
            **await deploy(isvc, runtimes[0]),
        }
        status["conditions"] = merge((isvc.get("status") or {}).get("conditions"), status["conditions"])
        await self._client.set_status(INFERENCE_SERVICE, key, status)
        return None

    async def _knative(self, isvc: Object, runtime: Object) -> Object:
        """→ what the status says of it."""
        ksvc = await self._client.apply(kserve.service(isvc, runtime))
        await self._client.apply(kserve.virtual_service(isvc))
        component = kserve_canary.component(isvc, ksvc)
        newest = component.get("latestCreatedRevision")
        pods = [pod for pod in self._pods(isvc) if labels_of(pod).get(KN_REVISION) == newest]
        settled = bool(newest) and newest == component.get("latestReadyRevision")
        return {
            **kserve.status(isvc, ksvc, rfc3339(self._clock.now())),
            "components": {"predictor": component},
            "modelStatus": model_status.observed(isvc, settled, pods),
        }

    async def _standard(self, isvc: Object, runtime: Object) -> Object:
        """→ what the status says of it."""
        key = Key(isvc["metadata"]["namespace"], kserve.predictor(isvc))
        present = self._client.get(DEPLOYMENT, key)
        deployed = await self._client.apply(standard.deployment(isvc, runtime, present))
        await self._client.apply(standard.service(isvc, runtime))
        await self._client.apply(standard.virtual_service(isvc))
        if standard.is_autoscaled(isvc):
            await self._client.apply(standard.autoscaler(isvc, runtime))
        elif (scaler := self._client.get(HORIZONTAL_POD_AUTOSCALER, key)) and controller_of(scaler):
            await self._client.delete(HORIZONTAL_POD_AUTOSCALER, key)
        said = standard.status(isvc, deployed, rfc3339(self._clock.now()))
        settled = is_true({"status": said}, "PredictorReady")
        return {**said, "modelStatus": model_status.observed(isvc, settled, self._pods(isvc))}

    def _pods(self, isvc: Object) -> list[Object]:
        return self._client.list(POD, isvc["metadata"]["namespace"], {LABEL: isvc["metadata"]["name"]})

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
            "deploymentMode": kserve.mode(isvc),
            "modelStatus": model_status.failed("InvalidSpec", failure, isvc),
            "conditions": merge((isvc.get("status") or {}).get("conditions"), knative.ready([not_ready, ingress], now)),
        }
        await self._client.set_status(INFERENCE_SERVICE, key_of(isvc), status)


def _labelled(obj: Object) -> list[Key]:
    name = labels_of(obj).get(LABEL)
    return [Key(obj["metadata"]["namespace"], name)] if name else []
