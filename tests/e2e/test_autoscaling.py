"""What a running platform adds to the rules. That a model comes from zero and goes back is the scenario's to show; what a kill costs, the soak's."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator

import pytest
import requests

from iiab_lab.assets import manifests
from iiab_lab.engines.embedded.rules.autoscaling.replay import replayed
from iiab_lab.target import Target
from iiab_lab.traffic.client import InferenceClient

from .lab import SETOSA, Lab, eventually, running

MODEL = "elastic-iris"
FLOWER = [[5.1, 3.5, 1.4, 0.2]]


@pytest.fixture(scope="module")
def elastic(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with running(tmp_path_factory.mktemp("elastic") / "home") as lab:
        lab.kubectl("apply", "-f", str(manifests() / "scenarios" / "autoscaling.yaml"))
        lab.kubectl("wait", "--for=condition=Ready", f"isvc/{MODEL}", "-n", "tenant-a", "--timeout=60s")
        yield lab


@pytest.fixture(scope="module")
def client(elastic: Lab) -> InferenceClient:
    return InferenceClient(Target.connect(elastic.home), elastic.token("tenant-a"))


def pods(lab: Lab, model: str = MODEL) -> list[str]:
    label = f"serving.kserve.io/inferenceservice={model}"
    said = lab.kubectl("get", "pods", "-n", "tenant-a", "-l", label, "-o", "name").stdout
    return [name.removeprefix("pod/") for name in said.split()]


def at_zero(lab: Lab) -> None:
    eventually(lambda: not pods(lab), 60)


def test_the_autoscaler_tells_prometheus_under_knatives_names(elastic: Lab, client: InferenceClient) -> None:
    client.predict(MODEL, FLOWER)
    url = elastic.url("prometheus") + "/api/v1/query"
    names = ("pods_desired", "pods_requested", "pods_count", "concurrency_stable", "concurrency_panic", "panic_mode")
    for name in names:
        query = f'kn_revision_{name}{{kn_revision_name="{MODEL}-predictor-00001",k8s_namespace_name="tenant-a"}}'
        eventually(lambda q=query: requests.get(url, params={"query": q}, timeout=5).json()["data"]["result"])
    queue = f'{{kn_revision_name="{MODEL}-predictor-00001"}}'
    for name in ("invocation_duration_seconds_bucket", "invocation_duration_seconds_count", "queue_depth"):
        query = f"kn_serving_{name}{queue}"
        eventually(lambda q=query: requests.get(url, params={"query": q}, timeout=5).json()["data"]["result"])
    held = f'kn_revision_request_concurrency{{kn_revision_name="{MODEL}-predictor-00001"}}'
    eventually(lambda: requests.get(url, params={"query": held}, timeout=5).json()["data"]["result"])


def test_no_caller_chooses_the_pod(elastic: Lab, client: InferenceClient) -> None:
    at_zero(elastic)
    answer = client.predict(MODEL, FLOWER, headers={"x-activator-backend": "127.0.0.1:1", "x-activator-plain": "true"})
    assert answer.status == 200


def test_a_model_that_cannot_load_any_more_is_a_503_with_the_reason(elastic: Lab, client: InferenceClient) -> None:
    at_zero(elastic)
    model = elastic.home / "volumes" / "tenant-a" / "models" / "sklearn-iris"
    away = model.rename(model.with_name("away"))
    try:
        refused = client.predict(MODEL, FLOWER)
    finally:
        away.rename(model)
    assert refused.status == 503 and "sklearn-iris" in str(refused.body), refused
    eventually(lambda: client.predict(MODEL, FLOWER).status == 200, 60)


def test_the_decisions_are_the_pure_rules_on_its_own_samples(elastic: Lab) -> None:
    """Every tick of every autoscaler since the platform began, replayed from the journal."""
    journal = (elastic.home / "logs" / "autoscaler.jsonl").read_text().splitlines()
    ticks = list(replayed(map(json.loads, journal)))
    assert [tick for tick in ticks if tick.decided != tick.recorded] == []
    assert len(ticks) > 20


def test_the_control_plane_dies_in_a_burst_and_comes_back_with_everything(
    elastic: Lab, client: InferenceClient
) -> None:
    elastic.control_plane().send_signal(signal.SIGKILL)
    elastic.iiab("up")
    fresh = InferenceClient(Target.connect(elastic.home), elastic.token("tenant-a"))
    assert fresh.predict(MODEL, SETOSA["instances"]).status == 200
