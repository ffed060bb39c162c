"""A HorizontalPodAutoscaler through kubectl: defaults, what is refused, the table of `get hpa`."""

from __future__ import annotations

import json
from typing import Any

import pytest

from .kubectl import DEPLOYMENT, Kubectl

CPU = {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}}
MEMORY = {
    "type": "ContainerResource",
    "containerResource": {
        "name": "memory",
        "container": "main",
        "target": {"type": "AverageValue", "averageValue": "1Gi"},
    },
}


def autoscaler(**spec: Any) -> str:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    kind = {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "web"}}
    return json.dumps(kind | {"spec": {"scaleTargetRef": target, "maxReplicas": 5} | spec})


def test_the_defaults_are_kubernetes(kubectl: Kubectl) -> None:
    kubectl.apply(autoscaler())
    spec = kubectl.read("hpa", "web")["spec"]
    assert (spec["minReplicas"], spec["metrics"]) == (1, [CPU]) and "behavior" not in spec


def test_any_behaviour_is_filled_up(kubectl: Kubectl) -> None:
    kubectl.apply(autoscaler(behavior={"scaleUp": {"policies": [{"type": "Pods", "value": 1, "periodSeconds": 60}]}}))
    assert kubectl.read("hpa", "web")["spec"]["behavior"] == {
        "scaleUp": {
            "stabilizationWindowSeconds": 0,
            "selectPolicy": "Max",
            "policies": [{"type": "Pods", "value": 1, "periodSeconds": 60}],
        },
        "scaleDown": {"selectPolicy": "Max", "policies": [{"type": "Percent", "value": 100, "periodSeconds": 15}]},
    }


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ({"minReplicas": 9}, "spec.maxReplicas: Invalid value: 5: must be greater than or equal to `minReplicas`"),
        ({"minReplicas": 0}, "spec.minReplicas"),
        (
            {"metrics": [{"type": "External"}]},
            'Unsupported value: "External": supported values: "Resource", "ContainerRe',
        ),
        ({"metrics": [{"type": "Pods", "pods": {}}]}, 'unknown field "spec.metrics[0].pods"'),
        ({"metrics": [{"type": "Resource"}]}, "must populate information for the given metric source"),
        ({"metrics": [CPU | MEMORY]}, "Forbidden: must populate the given metric source only"),
        (
            {"metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization"}}}]},
            "must set either a target raw value or a target utilization",
        ),
        ({"behavior": {"scaleUp": {"tolerance": "-1"}}}, "must be greater than or equal to 0"),
        ({"behavior": {"scaleUp": {"policies": []}}}, "spec.behavior.scaleUp.policies"),
    ],
)
def test_what_makes_no_sense_is_refused_by_field(kubectl: Kubectl, spec: Any, why: str) -> None:
    assert why in kubectl.refused("apply", "-f", "-", stdin=autoscaler(**spec)).replace('\\"', '"')


def test_get_hpa_shows_targets_and_bounds(kubectl: Kubectl) -> None:
    kubectl.apply(autoscaler(metrics=[CPU, MEMORY, CPU]))
    status = {"currentReplicas": 3, "currentMetrics": [_current("12")], "desiredReplicas": 3}
    kubectl("patch", "hpa", "web", "--subresource=status", "--type=merge", "-p", json.dumps({"status": status}))
    head, row = kubectl("get", "hpa").splitlines()
    assert head.split() == ["NAME", "REFERENCE", "TARGETS", "MINPODS", "MAXPODS", "REPLICAS", "AGE"]
    assert "cpu: 12%/80%, memory: <unknown>/1Gi + 1 more..." in row
    assert row.split()[:2] == ["web", "Deployment/web"] and row.split()[-4:-1] == ["1", "5", "3"]
    assert "horizontalpodautoscaler.autoscaling/web" in kubectl("get", "all", "-o", "name")


def _current(share: str) -> dict[str, Any]:
    current = {"averageUtilization": int(share), "averageValue": "120m"}
    return {"type": "Resource", "resource": {"name": "cpu", "current": current}}


def test_kubectl_autoscale_makes_one(kubectl: Kubectl) -> None:
    kubectl.apply(DEPLOYMENT % (2, ""))
    kubectl("autoscale", "deployment", "web", "--min=2", "--max=4", "--cpu-percent=60")
    spec = kubectl.read("hpa", "web")["spec"]
    assert (spec["minReplicas"], spec["maxReplicas"]) == (2, 4)
    assert spec["metrics"][0]["resource"]["target"]["averageUtilization"] == 60
