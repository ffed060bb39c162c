"""A model in KServe's Standard mode: predicted through both tiers, measured, and looked at by its autoscaler."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from iiab_lab.assets import manifests
from iiab_lab.kube import Kube

from .lab import SETOSA, Lab, eventually

NAME, NAMESPACE = "sklearn-standard", "tenant-a"
PODS = f"/apis/metrics.k8s.io/v1beta1/namespaces/{NAMESPACE}/pods"
SELECTED = f"?labelSelector=serving.kserve.io/inferenceservice%3D{NAME}"


def copies() -> list[dict[str, Any]]:
    """sklearn-iris, its way through the edge and who may take it, under another name and in the other mode."""
    text = "---\n".join((manifests() / f"{folder}/sklearn-iris.yaml").read_text() for folder in ("models", "policies"))
    wanted = ("InferenceService", "HTTPRoute", "SecurityPolicy")
    kept = [obj for obj in yaml.safe_load_all(text) if obj and obj["kind"] in wanted]
    made = yaml.safe_load(yaml.safe_dump(kept).replace("sklearn-iris", NAME))
    service = next(obj for obj in made if obj["kind"] == "InferenceService")
    service["metadata"]["annotations"] = {"serving.kserve.io/deploymentMode": "Standard"}
    service["spec"]["predictor"]["model"]["storageUri"] = "pvc://models/sklearn-iris"
    return list(made)


@pytest.fixture(scope="module")
def served(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    file: Path = tmp_path_factory.mktemp("standard") / "model.yaml"
    file.write_text(yaml.safe_dump_all(copies()))
    lab.kubectl("apply", "-f", str(file))
    try:
        lab.kubectl("wait", "--for=condition=Ready", f"isvc/{NAME}", "-n", NAMESPACE, "--timeout=120s")
        yield lab
    finally:
        lab.kubectl("delete", "-f", str(file))


def read(lab: Lab, kind: str, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(lab.kubectl("get", kind, name, "-n", NAMESPACE, "-o", "json").stdout)
    return found


def listed(lab: Lab, path: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = Kube(lab.home / "kubeconfig").raw("GET", path).json()["items"]
    return found


def test_it_predicts_through_both_tiers(served: Lab, tokens: dict[str, str]) -> None:
    assert read(served, "isvc", NAME)["status"]["url"] == f"http://{NAME}.{NAMESPACE}.example.com"
    url = f"{served.url('gateway')}/v1/models/{NAME}:predict"
    headers = {"Authorization": f"Bearer {tokens[NAMESPACE]}"}

    def answered() -> Any:
        answer = requests.post(url, json=SETOSA, headers=headers, timeout=10)
        return answer.ok and answer.json()

    assert eventually(answered) == {"predictions": [0]}
    refused = requests.post(url, json=SETOSA, headers={"Authorization": f"Bearer {tokens['tenant-b']}"}, timeout=10)
    assert refused.status_code == 401


@pytest.mark.soak
def test_its_pod_is_measured(served: Lab) -> None:
    (pod,) = eventually(lambda: listed(served, PODS + SELECTED), 60)
    used = {container["name"]: container["usage"] for container in pod["containers"]}
    assert set(used) == {"kserve-container", "istio-proxy"}
    server = used["kserve-container"]
    assert int(server["cpu"].removesuffix("n")) > 0
    assert int(server["memory"].removesuffix("Ki")) > 20 * 1024  # a Python with scikit-learn in it
    (node,) = eventually(lambda: listed(served, "/apis/metrics.k8s.io/v1beta1/nodes"), 60)
    assert int(node["usage"]["cpu"].removesuffix("n")) > 0


@pytest.mark.soak
def test_its_autoscaler_finds_a_metric(served: Lab) -> None:
    def active() -> dict[str, Any] | None:
        status = read(served, "hpa", f"{NAME}-predictor").get("status") or {}
        found = {c["type"]: (c["status"], c["reason"]) for c in status.get("conditions") or ()}
        return status if found.get("ScalingActive") == ("True", "ValidMetricFound") else None

    status = eventually(active, 120)
    (metric,) = status["currentMetrics"]
    assert metric["resource"]["name"] == "cpu" and metric["resource"]["current"]["averageUtilization"] >= 0
    assert 1 <= status["desiredReplicas"] <= 3
    assert f"Deployment/{NAME}-predictor" in served.kubectl("get", "hpa", "-n", NAMESPACE).stdout
