"""PodAutoscaler → the size of its Deployment: min-scale, and at least one.

Reads:  PodAutoscalers, the Deployment they scale.
Writes: the Deployment's spec.replicas; status.{desiredScale, actualScale, conditions}.
Wakes:  on the PodAutoscaler and on its Deployment.
"""

from __future__ import annotations

from ..objects.conditions import condition, merge
from ..objects.kinds import DEPLOYMENT, POD_AUTOSCALER, Key
from ..objects.meta import Object, annotations_of, key_of, labels_of
from ..objects.names import KN_REVISION
from ..objects.times import rfc3339
from ..reconcile.ports import Client, Clock, Result, Watch
from ..rules import knative


class PodAutoscalerController:
    name = "podautoscaler"

    def __init__(self, client: Client, clock: Clock) -> None:
        self._client, self._clock = client, clock
        self.watches = (Watch(POD_AUTOSCALER, lambda scaler: [key_of(scaler)]), Watch(DEPLOYMENT, _scaled))

    async def reconcile(self, key: Key) -> Result | None:
        scaler = self._client.get(POD_AUTOSCALER, key)
        if scaler is None or scaler["metadata"].get("deletionTimestamp"):
            return None
        deployment = self._client.get(DEPLOYMENT, Key(key.namespace, scaler["spec"]["scaleTargetRef"]["name"]))
        if deployment is None:
            return None
        least, _ = knative.bounds(annotations_of(scaler))
        wanted = max(1, least)
        if deployment["spec"].get("replicas", 1) != wanted:
            meta = {name: deployment["metadata"][name] for name in ("name", "namespace")}
            spec = deployment["spec"] | {"replicas": wanted}
            await self._client.apply({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": spec})
        await self._client.set_status(POD_AUTOSCALER, key, self._status(scaler, deployment, wanted))
        return None

    def _status(self, scaler: Object, deployment: Object, wanted: int) -> Object:
        now, ready = rfc3339(self._clock.now()), (deployment.get("status") or {}).get("readyReplicas", 0)
        if ready:
            active = condition("Active", True, now=now)
        else:
            text = "Requests to the target are being buffered as resources are provisioned."
            active = condition("Active", "Unknown", "Queued", text, now=now)
        reached = (scaler.get("status") or {}).get("conditions") or []
        initialized = ready >= wanted or any(
            c["type"] == "ScaleTargetInitialized" and c["status"] == "True" for c in reached
        )
        parts = [active, condition("SKSReady", True, now=now)]
        target = condition("ScaleTargetInitialized", True if initialized else "Unknown", now=now)
        return {
            "observedGeneration": scaler["metadata"].get("generation", 1),
            "desiredScale": wanted,
            "actualScale": ready,
            "serviceName": scaler["metadata"]["name"],
            "metricsServiceName": f"{scaler['metadata']['name']}-private",
            "conditions": merge(reached, [target, *knative.ready(parts, now)]),
        }


def _scaled(deployment: Object) -> list[Key]:
    name = labels_of(deployment).get(KN_REVISION)
    return [Key(deployment["metadata"]["namespace"], name)] if name else []
