"""PodAutoscaler of the class `hpa.autoscaling.knative.dev` → the HorizontalPodAutoscaler that scales in its place.

Source: knative/serving, pkg/reconciler/autoscaling/hpa/resources/hpa.go; without a target Kubernetes aims for 80 % of the CPU.
"""

from __future__ import annotations

import math

from ..objects.kinds import HORIZONTAL_POD_AUTOSCALER
from ..objects.meta import Object, annotations_of, key_of, labels_of, new
from .autoscaling import annotations as said
from .autoscaling.settings import Settings

_UTILIZATION, _NO_LIMIT = 80, 2**31 - 1


def horizontal(scaler: Object, settings: Settings) -> Object:
    annotations, key = annotations_of(scaler), key_of(scaler)
    spec: Object = {
        "scaleTargetRef": scaler["spec"]["scaleTargetRef"],
        "minReplicas": settings.min_scale or 1,
        "maxReplicas": settings.max_scale or _NO_LIMIT,
        "metrics": [{"type": "Resource", "resource": _resource(annotations)}],
    }
    if window := said.WINDOW.value(annotations):
        rules = {"stabilizationWindowSeconds": int(window)}
        spec["behavior"] = {"scaleDown": rules, "scaleUp": rules}
    return new(
        HORIZONTAL_POD_AUTOSCALER,
        key.name,
        key.namespace,
        owner=scaler,
        labels=labels_of(scaler),
        annotations=annotations,
        spec=spec,
    )


def _resource(annotations: dict[str, str]) -> Object:
    target = said.TARGET.value(annotations)
    if said.METRIC.value(annotations) == "memory":
        mebibytes = int(target or 0)
        return {"name": "memory", "target": {"type": "AverageValue", "averageValue": f"{mebibytes}Mi"}}
    share = math.ceil(target) if target else _UTILIZATION
    return {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": share}}
