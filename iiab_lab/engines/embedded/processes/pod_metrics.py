"""Pods, Deployments and what containers used → metrics under the names of cAdvisor (container_…) and kube-state-metrics (kube_…).

As on a cluster, a Pod's labels stand in a series of their own, to be joined by namespace and pod; of the labels, those that
tell whose Pod it is (kube-state-metrics' --metric-labels-allowlist).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector, CollectorRegistry

from ..objects.conditions import find
from ..objects.kinds import DEPLOYMENT, POD, Kind
from ..objects.meta import Object, labels_of
from .usage import Running, Total

_SHOWN = ("app", "serving.kserve.io/inferenceservice", "serving.knative.dev/revision")
_LABELS = tuple("label_" + re.sub(r"[^a-zA-Z0-9_]", "_", name) for name in _SHOWN)
_POD = ("namespace", "pod")
_REPLICAS = {
    "kube_deployment_spec_replicas": ("spec", "replicas", "Desired."),
    "kube_deployment_status_replicas": ("status", "replicas", "There are."),
    "kube_deployment_status_replicas_ready": ("status", "readyReplicas", "Ready."),
}


class PodMetrics(Collector):
    def __init__(
        self,
        registry: CollectorRegistry,
        listed: Callable[[Kind], Sequence[Object]],
        totals: Callable[[], Mapping[Running, Total]],
    ) -> None:
        self._listed, self._totals = listed, totals
        registry.register(self)

    def collect(self) -> Iterator[CounterMetricFamily | GaugeMetricFamily]:
        pods = {pod["metadata"]["uid"]: pod for pod in self._listed(POD)}
        yield from _used(pods, self._totals())
        yield from _pods(pods.values())
        yield from _deployments(self._listed(DEPLOYMENT))


def _used(
    pods: Mapping[str, Object], totals: Mapping[Running, Total]
) -> Iterator[CounterMetricFamily | GaugeMetricFamily]:
    """Measured every 15 s, as cAdvisor does."""
    names = (*_POD, "container")
    cpu = CounterMetricFamily("container_cpu_usage_seconds", "Of a container's processes.", labels=names)
    memory = GaugeMetricFamily("container_memory_working_set_bytes", "Of a container's processes.", labels=names)
    for one, total in totals.items():
        if pod := pods.get(one.uid):
            labels = (*_place(pod), one.container)
            cpu.add_metric(labels, total.cpu)
            memory.add_metric(labels, total.memory)
    yield cpu
    yield memory


def _pods(pods: Iterable[Object]) -> Iterator[GaugeMetricFamily]:
    shown = GaugeMetricFamily("kube_pod_labels", "A Pod's labels.", labels=(*_POD, *_LABELS))
    ready = GaugeMetricFamily("kube_pod_status_ready", "By condition.", labels=(*_POD, "condition"))
    for pod in pods:
        labels = labels_of(pod)
        shown.add_metric((*_place(pod), *(labels.get(name, "") for name in _SHOWN)), 1)
        said = (find(pod, "Ready") or {}).get("status", "Unknown")
        for status in ("True", "False", "Unknown"):
            ready.add_metric((*_place(pod), status.lower()), said == status)
    yield shown
    yield ready


def _deployments(deployments: Sequence[Object]) -> Iterator[GaugeMetricFamily]:
    for metric, (part, field, says) in _REPLICAS.items():
        family = GaugeMetricFamily(metric, says, labels=("namespace", "deployment"))
        for one in deployments:
            family.add_metric(
                (one["metadata"]["namespace"], one["metadata"]["name"]), (one.get(part) or {}).get(field, 0)
            )
        yield family


def _place(pod: Object) -> tuple[str, str]:
    return pod["metadata"]["namespace"], pod["metadata"]["name"]
