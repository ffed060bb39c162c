"""What is told of Pods and Deployments, under the names that a cluster's dashboards ask for."""

from __future__ import annotations

from typing import Any

from prometheus_client import CollectorRegistry

from iiab_lab.engines.embedded.objects.kinds import DEPLOYMENT, POD
from iiab_lab.engines.embedded.processes.pod_metrics import PodMetrics
from iiab_lab.engines.embedded.processes.usage import Running, Total

LABELS = {
    "app": "x",
    "serving.kserve.io/inferenceservice": "iris",
    "serving.knative.dev/revision": "iris-1",
    "own": "1",
}
PODS = [
    {
        "metadata": {"uid": "1", "name": "one", "namespace": "a", "labels": LABELS},
        "status": {"conditions": [{"type": "Ready", "status": "True"}]},
    },
    {"metadata": {"uid": "2", "name": "two", "namespace": "b"}},
]
DEPLOYMENTS = [
    {
        "metadata": {"name": "d", "namespace": "a"},
        "spec": {"replicas": 3},
        "status": {"replicas": 2, "readyReplicas": 1},
    },
    {"metadata": {"name": "zero", "namespace": "a"}, "spec": {"replicas": 0}},
]


def told(totals: dict[Running, Total]) -> dict[str, dict[tuple[str, ...], float]]:
    registry = CollectorRegistry()
    listed: Any = {POD: PODS, DEPLOYMENT: DEPLOYMENTS}.__getitem__
    PodMetrics(registry, listed, lambda: totals)
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in registry.collect():
        for sample in family.samples:
            found.setdefault(sample.name, {})[tuple(sample.labels.values())] = sample.value
    return found


def test_what_containers_used_stands_under_cadvisors_names() -> None:
    found = told({Running("1", "main", 7, 0.0): Total(1.5, 2000), Running("gone", "main", 8, 0.0): Total(9.0, 9)})
    assert found["container_cpu_usage_seconds_total"] == {("a", "one", "main"): 1.5}
    assert found["container_memory_working_set_bytes"] == {("a", "one", "main"): 2000}


def test_objects_stand_under_the_names_of_kube_state_metrics() -> None:
    found = told({})
    assert found["kube_pod_labels"] == {("a", "one", "x", "iris", "iris-1"): 1, ("b", "two", "", "", ""): 1}
    ready = found["kube_pod_status_ready"]
    assert [ready["a", "one", status] for status in ("true", "false", "unknown")] == [1, 0, 0]
    assert [ready["b", "two", status] for status in ("true", "false", "unknown")] == [0, 0, 1]
    assert found["kube_deployment_spec_replicas"] == {("a", "d"): 3, ("a", "zero"): 0}
    assert found["kube_deployment_status_replicas"] == {("a", "d"): 2, ("a", "zero"): 0}
    assert found["kube_deployment_status_replicas_ready"] == {("a", "d"): 1, ("a", "zero"): 0}
