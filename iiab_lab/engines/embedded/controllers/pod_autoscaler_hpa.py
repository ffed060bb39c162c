"""PodAutoscaler of the HPA class → a HorizontalPodAutoscaler, and its figures as the PodAutoscaler's own.

Reads:  PodAutoscalers, their HorizontalPodAutoscalers, ConfigMap knative-serving/config-autoscaler.
Writes: the HorizontalPodAutoscaler; status.{desiredScale, actualScale, conditions}, always in mode Serve.
Wakes:  on the PodAutoscaler and on what it owns.
"""

from __future__ import annotations

from ..objects.conditions import condition, is_true, merge
from ..objects.kinds import CONFIG_MAP, HORIZONTAL_POD_AUTOSCALER, POD_AUTOSCALER, Key
from ..objects.meta import Object, annotations_of, key_of, owner_keys
from ..objects.names import SKS_MODE
from ..objects.times import rfc3339
from ..reconcile.ports import Client, Clock, Result, Watch
from ..rules import knative
from ..rules.autoscaling import annotations as said
from ..rules.autoscaling import config
from ..rules.autoscaling.settings import Settings
from ..rules.autoscaling.status import SERVE
from ..rules.knative_hpa import horizontal


class HpaClassController:
    name = "hpa-class-podautoscaler"

    def __init__(self, client: Client, clock: Clock) -> None:
        self._client, self._clock = client, clock
        self.watches = (
            Watch(POD_AUTOSCALER, lambda scaler: [key_of(scaler)]),
            Watch(HORIZONTAL_POD_AUTOSCALER, owner_keys("PodAutoscaler")),
        )

    async def reconcile(self, key: Key) -> Result | None:
        scaler = self._client.get(POD_AUTOSCALER, key)
        if scaler is None or scaler["metadata"].get("deletionTimestamp"):
            return None
        known = config.Config.of(self._client.get(CONFIG_MAP, config.KEY))
        if said.autoscaler_class(annotations_of(scaler), known) != config.HPA:
            return None
        settings = Settings.of(annotations_of(scaler), scaler["spec"].get("containerConcurrency", 0), known)
        made = await self._client.apply(horizontal(scaler, settings))
        await self._client.set_status(POD_AUTOSCALER, key, self._status(scaler, made, settings))
        return None

    def _status(self, scaler: Object, made: Object, settings: Settings) -> Object:
        now, name, counts = rfc3339(self._clock.now()), scaler["metadata"]["name"], made.get("status") or {}
        current = counts.get("currentReplicas", 0)
        begun = is_true(scaler, "ScaleTargetInitialized") or current >= max(settings.min_scale, settings.initial_scale)
        parts = [
            condition("Active", True, now=now),
            condition("SKSReady", True, now=now),
            condition("ScaleTargetInitialized", True if begun else "Unknown", now=now),
        ]
        return {
            "observedGeneration": scaler["metadata"].get("generation", 1),
            "desiredScale": counts.get("desiredReplicas", 0),
            "actualScale": current,
            "serviceName": name,
            "metricsServiceName": f"{name}-private",
            "annotations": {SKS_MODE: SERVE},
            "conditions": merge((scaler.get("status") or {}).get("conditions"), knative.ready(parts, now)),
        }
