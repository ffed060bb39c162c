"""kubectl and the official Python client against the real server: what a learner types, and what programs do."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading
from pathlib import Path
from typing import Any

import kubernetes
import pytest

from iiab_lab.errors import ApiError
from iiab_lab.kube import Kube

from .conftest import Running

KUBECTL = [path for path in [shutil.which("kubectl")] if path]
DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: %s, labels: {app: web}}
spec:
  replicas: %s
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: main, image: kserve/sklearnserver}%s]}
"""
ROBOT = """
apiVersion: v1
kind: ServiceAccount
metadata: {name: robot, namespace: NS}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: reader, namespace: NS}
rules: [{apiGroups: [""], resources: [pods], verbs: [get, list]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: reads, namespace: NS}
subjects: [{kind: ServiceAccount, name: robot, namespace: NS}]
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: reader}
"""


class Kubectl:
    def __init__(self, server: Running, tool: str, folder: Path) -> None:
        self._server, self._tool, self._folder = server, tool, folder

    def __call__(self, *words: str, stdin: str = "", check: bool = True) -> str:
        done = subprocess.run(
            [self._tool, "--kubeconfig", str(self._server.kubeconfig), "--cache-dir", str(self._folder), *words],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            env=os.environ,
        )
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr


@pytest.fixture(params=KUBECTL)
def kubectl(request: pytest.FixtureRequest, server: Running, tmp_path: Path) -> Kubectl:
    return Kubectl(server, request.param, tmp_path)


@pytest.fixture
def namespace(kubectl: Kubectl, request: pytest.FixtureRequest) -> str:
    name = request.node.originalname.replace("_", "-")[:60].strip("-")
    kubectl("apply", "-f", "-", stdin=f"apiVersion: v1\nkind: Namespace\nmetadata: {{name: {name}}}\n")
    return name


def test_kubectl_applies_gets_patches_and_deletes(kubectl: Kubectl, namespace: str) -> None:
    assert "deployment.apps/web created" in kubectl("apply", "-f", "-", stdin=DEPLOYMENT % (namespace, 2, ""))
    assert "unchanged" in kubectl("apply", "-f", "-", stdin=DEPLOYMENT % (namespace, 2, ""))
    assert "configured" in kubectl("apply", "-f", "-", stdin=DEPLOYMENT % (namespace, 3, ""))
    assert "0/3" in kubectl("get", "deploy", "-n", namespace)
    assert "scaled" in kubectl("scale", "deploy/web", "-n", namespace, "--replicas=1")
    assert "labeled" in kubectl("label", "deploy/web", "-n", namespace, "tier=front")
    assert "web" in kubectl("get", "deploy", "-n", namespace, "-l", "tier in (front),app=web", "-o", "name")
    kubectl("set", "env", "deploy/web", "-n", namespace, "A=1")
    stored = json.loads(kubectl("get", "deploy", "web", "-n", namespace, "-o", "json"))
    assert stored["spec"]["template"]["spec"]["containers"][0]["env"] == [{"name": "A", "value": "1"}]
    assert "deleted" in kubectl("delete", "deploy", "web", "-n", namespace)
    assert "NotFound" in kubectl("get", "deploy", "web", "-n", namespace, check=False)


def test_kubectl_server_side_apply(kubectl: Kubectl, namespace: str) -> None:
    text = DEPLOYMENT % (namespace, 2, "")
    assert "serverside-applied" in kubectl("apply", "--server-side", "-f", "-", stdin=text)
    kubectl("apply", "--server-side", "-f", "-", stdin=DEPLOYMENT % (namespace, 4, ", {name: more, image: x}"))
    stored = json.loads(kubectl("get", "deploy", "web", "-n", namespace, "-o", "json"))
    assert stored["spec"]["replicas"] == 4
    assert [c["name"] for c in stored["spec"]["template"]["spec"]["containers"]] == ["main", "more"]


def test_kubectl_names_an_unknown_field(kubectl: Kubectl, namespace: str) -> None:
    text = DEPLOYMENT.replace("replicas:", "replica:") % (namespace, 2, "")
    said = kubectl("apply", "-f", "-", stdin=text, check=False)
    assert "spec.replica" in said
    assert "NotFound" in kubectl("get", "deploy", "web", "-n", namespace, check=False)


def test_kubectl_warns_of_what_has_no_effect(kubectl: Kubectl, namespace: str) -> None:
    text = DEPLOYMENT.replace("spec: {containers:", "spec: {hostNetwork: true, containers:") % (namespace, 2, "")
    assert "Warning: " in kubectl("apply", "-f", "-", stdin=text)


def test_kubectl_explains_and_lists_what_is_served(kubectl: Kubectl) -> None:
    assert "replicas" in kubectl("explain", "deployment.spec")
    assert "deployments" in kubectl("api-resources", "--api-group=apps", "-o", "name")
    assert "apps/v1" in kubectl("api-versions")


def test_kubectl_waits_for_a_condition(kubectl: Kubectl, namespace: str) -> None:
    kubectl("apply", "-f", "-", stdin=DEPLOYMENT % (namespace, 2, ""))
    said: list[str] = []
    waiting = threading.Thread(
        target=lambda: said.append(
            kubectl("wait", "--for=condition=Available", "deploy/web", "-n", namespace, "--timeout=20s")
        )
    )
    waiting.start()
    patch = {"status": {"conditions": [{"type": "Available", "status": "True"}]}}
    command = ("patch", "deploy", "web", "-n", namespace, "--subresource=status", "--type=merge", "-p")
    kubectl(*command, json.dumps(patch))
    waiting.join(30)
    assert said and "condition met" in said[0]


def test_kubectl_dry_run_stores_nothing(kubectl: Kubectl, namespace: str) -> None:
    kubectl("apply", "--dry-run=server", "-f", "-", stdin=DEPLOYMENT % (namespace, 2, ""))
    assert "NotFound" in kubectl("get", "deploy", "web", "-n", namespace, check=False)


def test_a_service_account_may_do_what_its_role_says(server: Running, kubectl: Kubectl, namespace: str) -> None:
    kubectl("apply", "-f", "-", stdin=ROBOT.replace("NS", namespace))
    kube = Kube(server.kubeconfig)
    path = f"/api/v1/namespaces/{namespace}"
    answer = kube.raw("POST", f"{path}/serviceaccounts/robot/token", json={"spec": {"expirationSeconds": 600}})
    nobody = server.home / "nobody"
    nobody.write_text(server.credentials.kubeconfig(answer.json()["status"]["token"], namespace))
    robot = Kube(nobody)
    assert robot.list("v1", "Pod", namespace) == []
    for refused in (f"{path}/secrets", "/api/v1/pods", "/api/v1/namespaces/default/pods"):
        with pytest.raises(ApiError) as caught:
            robot.raw("GET", refused)
        assert caught.value.code == 403 and "system:serviceaccount" in caught.value.message


@pytest.fixture
def python_client(server: Running) -> Any:
    configuration = kubernetes.client.Configuration()
    kubernetes.config.load_kube_config(str(server.kubeconfig), client_configuration=configuration)
    return kubernetes.client.ApiClient(configuration)


def test_the_python_client_creates_watches_and_deletes(python_client: Any) -> None:
    core = kubernetes.client.CoreV1Api(python_client)
    core.create_namespace({"metadata": {"name": "from-python"}})
    core.create_namespaced_config_map(
        "from-python", {"metadata": {"generateName": "settings-", "labels": {"made": "here"}}, "data": {"a": "1"}}
    )
    listed = core.list_namespaced_config_map("from-python", label_selector="made=here")
    name = listed.items[0].metadata.name
    assert name.startswith("settings-") and listed.items[0].data == {"a": "1"}
    core.patch_namespaced_config_map(name, "from-python", {"data": {"b": "2"}})
    core.delete_namespaced_config_map(name, "from-python")
    seen = []
    watch = kubernetes.watch.Watch()
    since = listed.metadata.resource_version
    for event in watch.stream(
        core.list_namespaced_config_map, "from-python", resource_version=since, timeout_seconds=5
    ):
        seen.append((event["type"], event["object"].data))
        if event["type"] == "DELETED":
            watch.stop()
    assert seen == [("MODIFIED", {"a": "1", "b": "2"}), ("DELETED", {"a": "1", "b": "2"})]


def test_the_python_dynamic_client_finds_kinds_and_applies(python_client: Any) -> None:
    dynamic = kubernetes.dynamic.DynamicClient(python_client)
    maps = dynamic.resources.get(api_version="v1", kind="ConfigMap")
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "d"}, "data": {"k": "v"}}
    kubernetes.client.CoreV1Api(python_client).create_namespace({"metadata": {"name": "dynamic"}})
    maps.server_side_apply(body=body, name="d", namespace="dynamic", field_manager="test")
    assert maps.get(name="d", namespace="dynamic").data.k == "v"
