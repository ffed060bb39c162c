"""The scenario's model under other names and settings → as many like it as a measurement needs, gone when it ends."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import yaml

from iiab_lab.assets import manifests
from iiab_lab.kube import Kube, Object, has_condition
from iiab_lab.target import Target
from iiab_lab.traffic.client import InferenceClient

from ..e2e.lab import Lab, eventually

NAME, TENANT = "elastic-iris", "tenant-a"
FLOWER = [[5.1, 3.5, 1.4, 0.2]]
_KIND = ("serving.kserve.io/v1beta1", "InferenceService", TENANT)
_LABEL = "serving.kserve.io/inferenceservice"


class Models(NamedTuple):
    """The platform as these measurements see it: its API, and a client of the tenant."""

    kube: Kube
    client: InferenceClient

    @classmethod
    def of(cls, lab: Lab) -> Models:
        return cls(Kube(lab.home / "kubeconfig"), InferenceClient(Target.connect(lab.home), lab.token(TENANT)))

    @contextlib.contextmanager
    def served(
        self, names: Sequence[str], *, wait: bool = False, burst: str = "10", **predictor: Any
    ) -> Iterator[None]:
        """The models, ready; `wait` keeps the scenario's 50 ms of waiting, `burst` is the target-burst-capacity, and
        `predictor` overrides what it says.
        """
        made = [obj for name in names for obj in _objects(name, wait, burst, predictor)]
        try:
            for obj in made:
                self.kube.apply(obj)
            for name in names:
                self.kube.wait((*_KIND, name), has_condition("Ready"), what="ready", timeout=60)
            yield
        finally:
            for obj in reversed(made):
                where = self.kube.path(obj["apiVersion"], obj["kind"], TENANT, obj["metadata"]["name"])
                self.kube.raw("DELETE", where)
            eventually(lambda: not self.pods(names), 60)

    def pods(self, names: Sequence[str]) -> set[str]:
        selector = f"{_LABEL} in ({','.join(names)})"
        return {pod["metadata"]["name"] for pod in self.kube.list("v1", "Pod", TENANT, selector)}

    def at_zero(self, names: Sequence[str]) -> None:
        eventually(lambda: not self.pods(names), 90)

    def scale(self, name: str) -> tuple[int, int]:
        """The replicas that the autoscaler asks for, and those that are ready."""
        kind = ("autoscaling.internal.knative.dev/v1alpha1", "PodAutoscaler")
        status = (self.kube.get(*kind, f"{name}-predictor-00001", TENANT) or {}).get("status", {})
        return int(status.get("desiredScale", 0)), int(status.get("actualScale", 0))


def _objects(name: str, wait: bool, burst: str, predictor: dict[str, Any]) -> list[Object]:
    text = (manifests() / "scenarios" / "autoscaling.yaml").read_text().replace(NAME, name)
    service, *others = yaml.safe_load_all(text)
    service["metadata"]["annotations"]["autoscaling.knative.dev/target-burst-capacity"] = burst
    spec = service["spec"]["predictor"]
    spec |= predictor
    if not wait:
        del spec["model"]["env"]
    return [service, *others]
