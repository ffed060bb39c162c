"""An InferenceService by name → its Pods as they come and go, and what there is to wait for."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..errors import NotReady
from ..kube import Object, has_condition
from ..target import Target

if TYPE_CHECKING:
    import pandas

_API, _LOOK = "serving.kserve.io/v1beta1", 0.1


class Served:
    """Talks to the Kubernetes API alone, so it works on any engine. Raises NotReady where waiting is in vain."""

    def __init__(self, target: Target, model: str, namespace: str = "tenant-a") -> None:
        self.target, self.model, self.namespace = target, model, namespace

    @property
    def pods(self) -> list[Object]:
        """Those that are not on their way out."""
        label = f"serving.kserve.io/inferenceservice={self.model}"
        listed = self.target.kube.list("v1", "Pod", self.namespace, label)
        return [pod for pod in listed if "deletionTimestamp" not in pod["metadata"]]

    @property
    def ready(self) -> int:
        return sum(has_condition("Ready")(pod) for pod in self.pods)

    def frame(self) -> pandas.DataFrame:
        """One row per Pod: name, phase, ready, started."""
        import pandas

        rows = [
            (
                pod["metadata"]["name"],
                (pod.get("status") or {}).get("phase", "Pending"),
                has_condition("Ready")(pod),
                pod["metadata"]["creationTimestamp"],
            )
            for pod in self.pods
        ]
        return pandas.DataFrame(rows, columns=["name", "phase", "ready", "created"])

    def await_ready(self, seconds: float = 60) -> Served:
        where = (_API, "InferenceService", self.namespace, self.model)
        self.target.kube.wait(where, has_condition("Ready"), what="Ready", timeout=seconds)
        return self

    def await_pods(self, count: int, seconds: float = 90) -> float:
        """Until so many are ready, and no others there → how many seconds that took."""
        began = time.monotonic()
        while time.monotonic() - began < seconds:
            if self.ready == count == len(self.pods):
                return time.monotonic() - began
            time.sleep(_LOOK)
        raise NotReady(
            f"{self.model} has {len(self.pods)} Pods, of them {self.ready} ready, and not {count}, after {seconds:.0f} s.",
            f"look at: iiab kubectl get podautoscaler -n {self.namespace}",
        )

    def conditions(self) -> dict[str, str]:
        """type → status (reason), of the newest revision."""
        label = f"serving.kserve.io/inferenceservice={self.model}"
        listed = self.target.kube.list("serving.knative.dev/v1", "Revision", self.namespace, label)
        newest = max(listed, key=lambda revision: revision["metadata"]["name"])
        found = newest["status"]["conditions"]
        return {one["type"]: f"{one['status']} {one.get('reason', '')}".strip() for one in found}

    def change(self, annotations: Mapping[str, str] | None = None, **predictor: object) -> Served:
        """Autoscaling annotations, without their prefix, and fields of spec.predictor: a new revision, which is waited for."""
        given = {f"autoscaling.knative.dev/{name}": value for name, value in (annotations or {}).items()}
        patch = {"metadata": {"annotations": given}, "spec": {"predictor": predictor}}
        changed = self.target.kube.merge(_API, "InferenceService", self.model, self.namespace, patch)

        def holds(isvc: Object) -> bool:
            current = (isvc.get("status") or {}).get("observedGeneration", 0) >= changed["metadata"]["generation"]
            predictor = ((isvc.get("status") or {}).get("components") or {}).get("predictor") or {}
            newest = predictor.get("latestReadyRevision") == predictor.get("latestCreatedRevision")
            return current and newest and has_condition("Ready")(isvc)

        where = (_API, "InferenceService", self.namespace, self.model)
        self.target.kube.wait(where, holds, what="Ready", timeout=60)
        return self
