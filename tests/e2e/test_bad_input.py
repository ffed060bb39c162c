"""Bad input: one clear error that ends with the cure, and the platform goes on."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from iiab_lab.errors import ApiError
from iiab_lab.kube import Kube

from .lab import Lab, eventually
from .test_recovery import predict

ISVC = """
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata: {name: bad, namespace: tenant-c}
spec:
  predictor:
    minReplicas: 1
    %s
    model:
      modelFormat: {name: sklearn}
      storageUri: %s
"""
POD = """
apiVersion: v1
kind: Pod
metadata: {name: stranger, namespace: tenant-c}
spec: {containers: [{name: main, image: "library/nginx:1.29"}]}
"""


@pytest.fixture
def manifest(tmp_path: Path):
    def write(text: str) -> str:
        (tmp_path / "bad.yaml").write_text(text)
        return str(tmp_path / "bad.yaml")

    return write


def apply(lab: Lab, path: str, builtin: str = "") -> tuple[int, str]:
    done = lab.iiab("kubectl", "apply", "-f", path, check=False, IIAB_KUBECTL=builtin)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("kubectl", ["", "builtin"])
def test_an_unknown_field_is_named(lab: Lab, manifest, kubectl: str) -> None:
    code, said = apply(lab, manifest(ISVC % ("minReplica: 1", "pvc://models/x")), kubectl)
    assert code != 0 and 'unknown field "spec.predictor.minReplica"' in said and "Traceback" not in said
    assert lab.kubectl("get", "isvc", "bad", "-n", "tenant-c", check=False).returncode != 0


def test_an_unknown_image_is_an_image_pull_error_that_lists_what_exists(lab: Lab, manifest) -> None:
    assert apply(lab, manifest(POD))[0] == 0

    def waiting() -> dict:
        pod = json.loads(lab.kubectl("get", "pod", "stranger", "-n", "tenant-c", "-o", "json").stdout)
        states = [
            c["state"].get("waiting", {}) for c in pod["status"].get("containerStatuses", ()) if c["name"] == "main"
        ]
        return states[0] if states and states[0].get("reason") in ("ErrImagePull", "ImagePullBackOff") else {}

    assert "kserve/sklearnserver" in eventually(waiting)["message"]
    lab.kubectl("delete", "pod", "stranger", "-n", "tenant-c")


def test_a_storage_uri_that_does_not_exist_says_so_in_the_models_status(lab: Lab, manifest) -> None:
    assert apply(lab, manifest(ISVC % ("", "pvc://models/no-such-model")))[0] == 0

    def failure() -> str:
        isvc = json.loads(lab.kubectl("get", "isvc", "bad", "-n", "tenant-c", "-o", "json").stdout)
        return isvc.get("status", {}).get("modelStatus", {}).get("lastFailureInfo", {}).get("message", "")

    assert "no-such-model" in eventually(failure, 60)
    lab.kubectl("delete", "isvc", "bad", "-n", "tenant-c")
    eventually(lambda: "bad" not in lab.kubectl("get", "pods", "-n", "tenant-c").stdout, 60)


def test_an_unsupported_storage_scheme_is_refused_with_the_choices(lab: Lab, manifest) -> None:
    apply(lab, manifest(ISVC % ("", "gs://bucket/model")))

    def failure() -> str:
        isvc = json.loads(lab.kubectl("get", "isvc", "bad", "-n", "tenant-c", "-o", "json", check=False).stdout or "{}")
        return json.dumps(isvc.get("status", {}))

    eventually(lambda: "pvc://" in failure(), 60)
    lab.kubectl("delete", "isvc", "bad", "-n", "tenant-c")
    eventually(lambda: "bad" not in lab.kubectl("get", "pods", "-n", "tenant-c").stdout, 60)


def test_a_taken_port_names_its_owner_and_the_flag(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = Lab(tmp_path / "home").iiab("up", "--ports", f"gateway={port}", check=False)
    assert done.returncode == 2 and f"Port {port} (gateway) is taken by" in done.stderr and "--ports" in done.stderr


def test_a_second_up_changes_nothing(lab: Lab) -> None:
    before = lab.status()
    assert "already running" in lab.iiab("up").stderr
    assert lab.status() == before


@pytest.mark.parametrize("words", [("token", "tenant-z"), ("scenario", "no-such"), ("up", "--engine", "docker")])
def test_wrong_words_end_with_the_cure(lab: Lab, words: tuple[str, ...]) -> None:
    done = lab.iiab(*words, check=False)
    assert done.returncode != 0 and "→" in done.stderr and "Traceback" not in done.stderr


REGEX = """
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: bad-regex, namespace: tenant-a}
spec:
  parentRefs: [{name: ai-inference-gateway, namespace: envoy-gateway-system}]
  rules: [{matches: [{path: {type: RegularExpression, value: "/((("}}], backendRefs: [{name: sklearn-iris-predictor, port: 80}]}]
"""


def test_a_regex_envoy_refuses_is_parked_with_the_reason_and_everything_else_goes_on(
    lab: Lab, manifest, tokens: dict[str, str]
) -> None:
    assert apply(lab, manifest(REGEX))[0] == 0

    def verdict() -> dict:
        route = json.loads(lab.kubectl("get", "httproute", "bad-regex", "-n", "tenant-a", "-o", "json").stdout)
        conditions = [c for parent in route.get("status", {}).get("parents", ()) for c in parent["conditions"]]
        return next((c for c in conditions if c["type"] == "Accepted" and c["status"] == "False"), {})

    try:
        assert "missing closing ): `/(((`" in eventually(verdict, 60)["message"]
        assert predict(lab, tokens["tenant-a"]) == 200
        assert json.loads(lab.kubectl("get", "gateway", "-A", "-o", "json").stdout)["items"][0]["status"]["conditions"]
    finally:
        lab.kubectl("delete", "httproute", "bad-regex", "-n", "tenant-a")
    assert predict(lab, tokens["tenant-a"]) == 200


@pytest.mark.parametrize("query", ["tailLines=x", "tailLines=-1", "limitBytes=1.5"])
def test_a_log_option_that_is_no_number_is_400(lab: Lab, query: str) -> None:
    kube = Kube(lab.home / "kubeconfig")
    (pod,) = kube.list("v1", "Pod", "istio-system")
    path = kube.path("v1", "Pod", "istio-system", pod["metadata"]["name"]) + "/log"
    assert kube.raw("GET", path, params={"tailLines": "1"}).text.count("\n") <= 1
    with pytest.raises(ApiError, match="is no whole number") as error:
        kube.raw("GET", f"{path}?{query}")
    assert error.value.code == 400
