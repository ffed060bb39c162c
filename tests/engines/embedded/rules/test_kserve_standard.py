"""KServe's Standard mode: the autoscaler's metric, and how a Deployment's conditions are read."""

from __future__ import annotations

from typing import Any

import pytest

from iiab_lab.engines.embedded.rules import kserve
from iiab_lab.engines.embedded.rules import kserve_standard as standard

RUNTIME = {"metadata": {"name": "r"}, "spec": {"containers": [{"name": "kserve-container", "image": "i"}]}}


def isvc(annotations: dict[str, str] | None = None, status: Any = None, **predictor: Any) -> dict[str, Any]:
    meta = {"name": "m", "namespace": "n", "uid": "1", "annotations": annotations or {}}
    spec = {"predictor": {"model": {"modelFormat": {"name": "sklearn"}}, **predictor}}
    kind = {"apiVersion": "serving.kserve.io/v1beta1", "kind": "InferenceService"}
    return {**kind, "metadata": meta, "spec": spec, "status": status or {}}


@pytest.mark.parametrize(
    ("annotation", "recorded", "mode"),
    [
        ("", "", "Knative"),
        ("Serverless", "", "Knative"),
        ("Standard", "", "Standard"),
        ("RawDeployment", "", "Standard"),
        ("Standard", "Knative", "Knative"),
    ],
)
def test_the_mode(annotation: str, recorded: str, mode: str) -> None:
    given = {"serving.kserve.io/deploymentMode": annotation} if annotation else {}
    assert kserve.mode(isvc(given, {"deploymentMode": recorded})) == mode


@pytest.mark.parametrize(
    ("predictor", "metric"),
    [
        ({}, ("cpu", 80)),
        ({"scaleTarget": 55}, ("cpu", 55)),
        ({"scaleMetric": "memory", "scaleTarget": 60}, ("memory", 60)),
        ({"scaleMetric": "memory"}, ("cpu", 80)),
    ],
)
def test_the_metric_of_the_autoscaler(predictor: dict[str, Any], metric: tuple[str, int]) -> None:
    (found,) = standard.autoscaler(isvc(**predictor), RUNTIME)["spec"]["metrics"]
    assert (found["resource"]["name"], found["resource"]["target"]["averageUtilization"]) == metric


@pytest.mark.parametrize(
    ("least", "most", "bounds"), [(None, None, (1, 1)), (0, 4, (1, 4)), (2, 0, (2, 2)), (3, 2, (3, 3))]
)
def test_the_bounds_of_the_autoscaler(least: int | None, most: int | None, bounds: tuple[int, int]) -> None:
    given = {"minReplicas": least, "maxReplicas": most}
    spec = standard.autoscaler(isvc(**{k: v for k, v in given.items() if v is not None}), RUNTIME)["spec"]
    assert (spec["minReplicas"], spec["maxReplicas"]) == bounds


@pytest.mark.parametrize(
    ("present", "annotations", "size"),
    [
        (None, {}, 2),
        (5, {}, 5),
        (5, {"serving.kserve.io/autoscalerClass": "none"}, 2),
    ],
)
def test_an_autoscaled_size_is_left_alone(present: int | None, annotations: dict[str, str], size: int) -> None:
    deployment = {"spec": {"replicas": present}} if present else None
    made = standard.deployment(isvc(annotations, minReplicas=2), RUNTIME, deployment)
    assert made["spec"]["replicas"] == size
    (container,) = made["spec"]["template"]["spec"]["containers"]
    assert container["readinessProbe"]["tcpSocket"] == {"port": 8080} and container["ports"][0]["containerPort"] == 8080


def said(type_: str, status: str, reason: str = "", message: str = "") -> dict[str, str]:
    return {"type": type_, "status": status, "reason": reason, "message": message}


@pytest.mark.parametrize(
    ("conditions", "ready"),
    [
        ([], ("False", None)),
        ([said("Available", "True", "MinimumReplicasAvailable")], ("True", None)),
        ([said("Available", "False", "MinimumReplicasUnavailable")], ("False", "MinimumReplicasUnavailable")),
        (
            [said("Progressing", "True", "ReplicaSetUpdated"), said("Available", "True")],
            ("Unknown", "ReplicaSetUpdated"),
        ),
        ([said("Progressing", "True", "NewReplicaSetAvailable")], ("True", None)),
        ([said("Progressing", "False", "ProgressDeadlineExceeded", "m")], ("False", "ProgressDeadlineExceeded")),
        ([said("Available", "True"), said("ReplicaFailure", "True", "FailedCreate")], ("False", "FailedCreate")),
    ],
)
def test_a_deployment_is_read_as_kserve_reads_it(conditions: list[Any], ready: tuple[str, str | None]) -> None:
    deployed = {"metadata": {"generation": 1}, "status": {"observedGeneration": 1, "conditions": conditions}}
    found = {c["type"]: c for c in standard.status(isvc(), deployed, "now")["conditions"]}
    assert (found["PredictorReady"]["status"], found["PredictorReady"].get("reason")) == ready
    assert found["IngressReady"]["status"] == ("True" if ready[0] == "True" else "False")


def test_the_url_stays_while_the_server_is_replaced() -> None:
    before = {"url": "http://m.n.example.com", "components": {"predictor": {"url": "u"}}}
    stale = {"metadata": {"generation": 2}, "status": {"observedGeneration": 1}}
    status = standard.status(isvc(status=before), stale, "now")
    assert status["url"] == before["url"] and status["components"] == before["components"]
