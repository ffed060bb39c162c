"""The commands of the README and of any Kubernetes user, by kubectl where it is installed and by the built-in one."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading

import pytest

from .lab import Lab

HOW = pytest.mark.parametrize("kubectl", [*(["real"] if shutil.which("kubectl") else []), "builtin"])
WAIT = ("wait", "--for=condition=Ready", "inferenceservice/sklearn-iris", "-n", "tenant-a", "--timeout=30s")


def run(lab: Lab, kubectl: str, *words: str) -> str:
    return lab.iiab("kubectl", *words, IIAB_KUBECTL="builtin" if kubectl == "builtin" else "").stdout


@HOW
def test_wait_for_the_model(lab: Lab, kubectl: str) -> None:
    assert "inferenceservice.serving.kserve.io/sklearn-iris condition met" in run(lab, kubectl, *WAIT)


@HOW
def test_get_shows_every_kind_with_its_own_columns(lab: Lab, kubectl: str) -> None:
    shown = run(lab, kubectl, "get", "isvc,ksvc,revision,deploy,pod", "-A")
    for word in ("sklearn-iris-predictor-00001", "LATESTREADYREVISION", "UP-TO-DATE", "RESTARTS", "2/2"):
        assert word in shown


@HOW
def test_logs_of_the_model_server(lab: Lab, kubectl: str) -> None:
    pod = run(lab, kubectl, "get", "pod", "-n", "tenant-a", "-l", "component=predictor", "-o", "name").strip()
    assert "sklearn-iris" in run(lab, kubectl, "logs", pod, "-n", "tenant-a", "-c", "kserve-container")


@HOW
def test_logs_are_followed_while_they_grow(lab: Lab, kubectl: str) -> None:
    pod = run(lab, kubectl, "get", "pod", "-n", "istio-system", "-o", "name").strip()
    command = [sys.executable, "-m", "iiab_lab.cli", "kubectl", "logs", "-f", pod, "-n", "istio-system", "--tail=0"]
    environment = lab.environment | {"IIAB_KUBECTL": "builtin" if kubectl == "builtin" else ""}
    follower = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    at_last, seen = threading.Timer(60, follower.kill), threading.Event()
    at_last.start()
    asking = threading.Thread(target=lambda: [lab.token("tenant-a") for _ in range(100) if not seen.is_set()])
    asking.start()
    try:
        assert follower.stdout and '"path":"/token"' in follower.stdout.readline()
    finally:
        seen.set()
        at_last.cancel()
        asking.join()
        follower.kill()
        follower.wait()


@HOW
@pytest.mark.parametrize("path", ["manifests/tenants", "manifests/models/sklearn-iris.yaml"])
def test_applying_a_manifest_again_changes_nothing(lab: Lab, kubectl: str, path: str) -> None:
    before = json.loads(run(lab, kubectl, "get", "isvc,pod", "-n", "tenant-a", "-o", "json"))["items"]
    run(lab, kubectl, "apply", "-f", path)
    after = json.loads(run(lab, kubectl, "get", "isvc,pod", "-n", "tenant-a", "-o", "json"))["items"]
    assert [(o["kind"], o["metadata"]["uid"], o["metadata"]["generation"]) for o in before if o["kind"] != "Pod"] == [
        (o["kind"], o["metadata"]["uid"], o["metadata"]["generation"]) for o in after if o["kind"] != "Pod"
    ]
    assert {o["metadata"]["uid"] for o in before} == {o["metadata"]["uid"] for o in after}
