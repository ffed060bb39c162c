"""One sync: bounds before metrics, the highest proposal, failures that stand in the way of scaling down."""

from __future__ import annotations

from typing import Any

import pytest

from iiab_lab.engines.embedded.objects.sandbox import Usage
from iiab_lab.engines.embedded.objects.times import rfc3339
from iiab_lab.engines.embedded.rules.horizontal_autoscaling.decision import Decision, decide
from iiab_lab.engines.embedded.rules.horizontal_autoscaling.metrics import Observed, Outcome, evaluated, tolerance
from iiab_lab.engines.embedded.rules.horizontal_autoscaling.pace import Bounds, History
from iiab_lab.engines.embedded.rules.horizontal_autoscaling.replicas import Proposal, Tolerance

NOW = 1_800_000_000.0
CPU = "cpu resource utilization (percentage of request)"


def good(replicas: int, name: str = CPU) -> Outcome:
    return Outcome(name, "cpu resource", Proposal(replicas, 100, 50), {})


BAD = Outcome(CPU, "cpu resource", reason="FailedGetResourceMetric", failure="failed to get cpu utilization: why")


def decided(current: int, *outcomes: Outcome) -> Decision:
    return decide(current, Bounds(2, 10), None, outcomes, History(), NOW)


def reasons(decision: Decision) -> dict[str, str]:
    return {said.type: said.reason for said in decision.said}


@pytest.mark.parametrize(
    ("current", "outcomes", "replicas", "why"),
    [
        (12, [BAD], 10, "Current number of replicas above Spec.MaxReplicas"),
        (1, [BAD], 2, "Current number of replicas below Spec.MinReplicas"),
        (3, [good(5), good(2)], 5, f"{CPU} above target"),
        (3, [good(5), good(6, "memory resource")], 6, "memory resource above target"),
        (3, [BAD, good(5)], 5, f"{CPU} above target"),
        (3, [good(3)], 3, ""),
    ],
)
def test_the_number_and_what_it_is_for(current: int, outcomes: list[Outcome], replicas: int, why: str) -> None:
    decision = decided(current, *outcomes)
    assert (decision.replicas, decision.why, decision.measured) == (replicas, why, True)


def test_at_zero_scaling_is_disabled() -> None:
    decision = decided(0, good(5))
    assert decision.replicas == 0
    assert reasons(decision) == {"AbleToScale": "SucceededGetScale", "ScalingActive": "ScalingDisabled"}


@pytest.mark.parametrize("outcomes", [[BAD], [BAD, BAD], [BAD, good(2)]])
def test_a_failed_metric_keeps_the_number_from_going_down(outcomes: list[Outcome]) -> None:
    decision = decided(3, *outcomes)
    assert (decision.replicas, decision.measured) == (3, False)
    assert reasons(decision) == {"AbleToScale": "SucceededGetScale", "ScalingActive": "FailedGetResourceMetric"}
    said = next(said.message for said in decision.said if said.type == "ScalingActive")
    assert said == "the HPA was unable to compute the replica count: failed to get cpu utilization: why"
    bad = sum(outcome is BAD for outcome in outcomes)
    total = f"invalid metrics ({bad} invalid out of {len(outcomes)}), first error is: failed to get cpu resource metric value: failed to get cpu utilization: why"
    assert decision.events[-1] == ("FailedComputeMetricsReplicas", total)


def test_the_number_found_at_first_is_not_left_at_once() -> None:
    decision = decided(8, good(2))
    assert decision.replicas == 8 and reasons(decision)["AbleToScale"] == "ScaleDownStabilized"


def pod(name: str, **request: str) -> dict[str, Any]:
    resources = {"requests": request}
    long_ago = rfc3339(NOW - 3600)
    ready = {"type": "Ready", "status": "True", "lastTransitionTime": long_ago}
    return {
        "metadata": {"name": name, "namespace": "here"},
        "spec": {"containers": [{"name": "model", "resources": resources}, {"name": "proxy", "resources": resources}]},
        "status": {"phase": "Running", "startTime": long_ago, "conditions": [ready]},
    }


def used(cpu: float, memory: int) -> Usage:
    return Usage(NOW - 5, 15, cpu, memory)


def one(kind: str, pods: list[dict[str, Any]], usages: dict[str, Any], **source: Any) -> Outcome:
    field = kind[0].lower() + kind[1:]
    observed = Observed(pods, usages, len(pods), Tolerance(), NOW)
    (outcome,) = evaluated({"metrics": [{"type": kind, field: source}]}, observed)
    return outcome


BUSY = {"a": {"model": used(0.3, 2**20), "proxy": used(0.1, 2**20)}}


def test_a_pod_uses_what_its_containers_use_together() -> None:
    target = {"type": "Utilization", "averageUtilization": 50}
    outcome = one("Resource", [pod("a", cpu="200m")], BUSY, name="cpu", target=target)
    current = {"averageValue": "400m", "averageUtilization": 100}
    assert outcome.status == {"type": "Resource", "resource": {"name": "cpu", "current": current}}
    assert outcome.proposal == Proposal(2, 400, 100) and outcome.name == CPU


def test_one_container_of_it_and_memory_in_bytes() -> None:
    target = {"type": "AverageValue", "averageValue": "512Ki"}
    outcome = one("ContainerResource", [pod("a")], BUSY, name="memory", container="model", target=target)
    assert outcome.proposal and outcome.proposal.replicas == 2 and outcome.status
    assert outcome.status["containerResource"] == {
        "name": "memory",
        "container": "model",
        "current": {"averageValue": "1048576"},
    }


@pytest.mark.parametrize(
    ("kind", "pods", "source", "failure"),
    [
        ("Resource", [pod("a")], {}, "missing request for cpu in container model of Pod a"),
        (
            "ContainerResource",
            [pod("a", cpu="1")],
            {"container": "other"},
            "unable to get metrics for resource cpu: failed to get container metrics: container other not present in metrics for pod here/a",
        ),
        (
            "ContainerResource",
            [pod("b", cpu="1")],
            {"container": "model"},
            "unable to get metrics for resource cpu: no metrics returned from resource metrics API",
        ),
    ],
)
def test_why_a_metric_fails(kind: str, pods: list[dict[str, Any]], source: dict[str, str], failure: str) -> None:
    outcome = one(kind, pods, BUSY, name="cpu", target={"averageUtilization": 50}, **source)
    assert outcome.proposal is None and outcome.failure == f"failed to get cpu utilization: {failure}"


def test_tolerances_are_quantities() -> None:
    behavior = {"scaleUp": {"tolerance": "50m"}, "scaleDown": {"tolerance": "0.2"}}
    assert tolerance({"behavior": behavior}) == Tolerance(0.05, 0.2) and tolerance({}) == Tolerance()
