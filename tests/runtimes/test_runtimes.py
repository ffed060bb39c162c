"""The storage initializer and the sklearn server as processes: what they copy, serve and refuse."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from iiab_lab.errors import UsageError
from iiab_lab.models import iris
from iiab_lab.models.__main__ import write
from iiab_lab.models.versions import v3
from iiab_lab.runtimes.storage import fetch


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model") / "iris"
    write(folder, *iris.train())
    return folder


def test_storage_copies_every_file(model: Path, tmp_path: Path) -> None:
    assert fetch(f"file://{model}", tmp_path / "to") == 2
    assert (tmp_path / "to" / "model.joblib").read_bytes() == (model / "model.joblib").read_bytes()


@pytest.mark.parametrize("source", ["gs://bucket/model", "s3://b/m", "{}/none", "{}"])
def test_storage_that_does_not_exist_ends_with_the_cure(tmp_path: Path, source: str) -> None:
    with pytest.raises(UsageError) as error:
        fetch(source.format(tmp_path), tmp_path / "to")
    assert error.value.cure and not (tmp_path / "to").exists()


def server(folder: Path, socket: Path, **more: str) -> subprocess.Popen[str]:
    command = [
        sys.executable,
        "-m",
        "iiab_lab.runtimes.sklearn",
        "--model_name=iris",
        f"--model_dir={folder}",
        "--http_port=8080",
    ]
    environment = os.environ | {"IIAB_SOCKET_8080": str(socket)} | more
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


@pytest.fixture(scope="module")
def served(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    socket = tmp_path_factory.mktemp("s") / "app"
    process = server(model, socket)
    try:
        with httpx.Client(transport=httpx.HTTPTransport(uds=str(socket)), base_url="http://iris", timeout=5) as client:
            ready(process, client)
            yield client
    finally:
        process.terminate()
        process.wait(20)


def ready(process: subprocess.Popen[str], client: httpx.Client) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert process.poll() is None, process.stdout and process.stdout.read()
        try:
            if client.get("/v2/health/ready").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.05)
    raise AssertionError("the server is not ready")


def test_v1_and_v2_agree(served: httpx.Client) -> None:
    rows = [[5.1, 3.5, 1.4, 0.2], [6.5, 3.0, 5.5, 1.8]]
    v1 = served.post("/v1/models/iris:predict", json={"instances": rows}).json()
    data = {"name": "x", "shape": [2, 4], "datatype": "FP64", "data": [v for row in rows for v in row]}
    v2 = served.post("/v2/models/iris/infer", json={"inputs": [data]}).json()
    assert v1["predictions"] == v2["outputs"][0]["data"] == [0, 2]


@pytest.mark.parametrize(
    "body", [{}, {"instances": []}, {"instances": [[1, 2]]}, {"instances": [["a"] * 4]}, {"instances": 3}]
)
def test_what_is_no_matrix_of_four_columns_is_400(served: httpx.Client, body: dict) -> None:
    assert served.post("/v1/models/iris:predict", json=body).status_code == 400


def test_metrics_are_kserves(served: httpx.Client) -> None:
    served.post("/v1/models/iris:predict", json={"instances": [[1, 1, 1, 1]]})
    assert 'request_predict_seconds_count{model_name="iris"}' in served.get("/metrics").text


def counter(served: httpx.Client, series: str) -> float:
    return sum(float(line.split()[-1]) for line in served.get("/metrics").text.splitlines() if line.startswith(series))


def test_predictions_are_counted_by_class(served: httpx.Client) -> None:
    series = [f'model_predictions_total{{class="{kind}",model_name="iris"}}' for kind in range(3)]
    before = [counter(served, one) for one in series]
    rows = [[5.1, 3.5, 1.4, 0.2], [6.5, 3.0, 5.5, 1.8], [5.0, 3.5, 1.4, 0.2]]
    served.post("/v1/models/iris:predict", json={"instances": rows})
    assert [counter(served, one) - old for one, old in zip(series, before, strict=True)] == [2, 0, 1]


def test_the_truth_that_comes_later_is_counted_for_the_revision_that_answered(served: httpx.Client) -> None:
    said = [(f"iris-predictor-0000{revision}", 1, label) for revision, label in ((1, 1), (1, 2), (2, 1.0))]
    body = {"feedback": [dict(zip(("answered_by", "predicted", "label"), one, strict=True)) for one in said]}
    assert served.post("/v1/models/iris/feedback", json=body).json() == {"counted": 3}
    for revision, outcome, count in ((1, "right", 1), (1, "wrong", 1), (2, "right", 1), (2, "wrong", 0)):
        labels = f'answered_by="iris-predictor-0000{revision}",model_name="iris",outcome="{outcome}"'
        assert counter(served, f"model_feedback_total{{{labels}}}") == count, labels


GOOD = {"answered_by": "iris-predictor-00001", "predicted": 1, "label": 1}


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("iris", {"feedback": []}, 422),
        ("iris", {}, 422),
        ("iris", {"feedback": [GOOD | {"answered_by": 'x"}\n'}]}, 422),
        ("iris", {"feedback": [GOOD | {"more": 1}]}, 422),
        ("iris", {"feedback": [{"predicted": 1, "label": 1}]}, 422),
        ("other", {"feedback": [GOOD]}, 404),
    ],
)
def test_what_is_no_feedback_is_refused(served: httpx.Client, path: str, body: dict, status: int) -> None:
    assert served.post(f"/v1/models/{path}/feedback", json=body).status_code == status


def test_a_client_makes_no_more_than_a_hundred_series(served: httpx.Client) -> None:
    many = [GOOD | {"answered_by": f"stranger-{index}"} for index in range(300)]
    served.post("/v1/models/iris/feedback", json={"feedback": many})
    names = {
        line.split("answered_by=")[1].split(",")[0]
        for line in served.get("/metrics").text.splitlines()
        if line.startswith("model_feedback_total")
    }
    assert len(names) == 101 and '"other"' in names


def test_a_version_that_fails_on_some_flowers_is_served_confined_and_answers_500_for_those(tmp_path: Path) -> None:
    estimator, report = v3()
    write(tmp_path / "model", estimator, report)
    process = server(tmp_path / "model", tmp_path / "app")
    try:
        transport = httpx.HTTPTransport(uds=str(tmp_path / "app"))
        with httpx.Client(transport=transport, base_url="http://iris", timeout=5) as client:
            ready(process, client)
            rows = iris.split().held_out[:8].tolist()  # each failure's traceback goes into a pipe that nobody empties
            answers = [client.post("/v1/models/iris:predict", json={"instances": [row]}) for row in rows]
    finally:
        process.terminate()
        process.wait(20)
    statuses = [answer.status_code for answer in answers]
    assert statuses == [500, 200, 500, 200, 200, 200, 200, 500]
    assert "unknown categories" in next(answer.text for answer in answers if answer.status_code == 500)


@pytest.mark.parametrize("content", [None, b"no pickle"])
def test_a_model_that_cannot_be_loaded_says_why_in_its_last_words(tmp_path: Path, content: bytes | None) -> None:
    if content:
        (tmp_path / "model.joblib").write_bytes(content)
    process = server(tmp_path, tmp_path / "s")
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 1 and said.strip().splitlines()[-1].startswith("The model cannot be loaded:")
