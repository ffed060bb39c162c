"""metrics.k8s.io as `kubectl top` asks for it: Pods, containers, the Node; and who may ask."""

from __future__ import annotations

import json

import pytest

from iiab_lab.engines.embedded.objects.sandbox import Usage
from iiab_lab.kube import Kube

from .conftest import Running, refusal
from .kubectl import Kubectl
from .person import Person

API = "/apis/metrics.k8s.io/v1beta1"
POD = """
apiVersion: v1
kind: Pod
metadata: {name: %s, labels: {app: %s}}
spec: {containers: [{name: main, image: kserve/sklearnserver}, {name: proxy, image: kserve/sklearnserver}]}
"""
NODE = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "iiab"}}
AT = 1_800_000_000.0


def use(cpu: float, mebibytes: int, at: float = AT) -> Usage:
    return Usage(at, 15.02, cpu, mebibytes * 2**20)


@pytest.fixture
def pods(kubectl: Kubectl, server: Running) -> Kubectl:
    """web is measured, new is not."""
    kubectl.apply(POD % ("web", "web") + "---" + POD % ("new", "new"))
    uid = kubectl.read("pod", "web")["metadata"]["uid"]
    server.meter.pods[uid] = {"proxy": use(0.05, 30), "main": use(0.2, 100, AT - 1)}
    return kubectl


def test_top_pods_adds_up_the_containers(pods: Kubectl) -> None:
    assert [line.split() for line in pods("top", "pods").splitlines()] == [
        ["NAME", "CPU(cores)", "MEMORY(bytes)"],
        ["web", "250m", "130Mi"],
    ]


def test_top_pods_of_every_namespace_of_some_labels_and_by_container(pods: Kubectl) -> None:
    assert [pods.namespace, "web", "250m", "130Mi"] in [line.split() for line in pods("top", "pods", "-A").splitlines()]
    assert "web" in pods("top", "pods", "-l", "app=web")
    rows = [line.split() for line in pods("top", "pod", "web", "--containers").splitlines()]
    assert rows[1:] == [["web", "main", "200m", "100Mi"], ["web", "proxy", "50m", "30Mi"]]


def test_what_is_not_measured_yet_is_not_found(pods: Kubectl, kube: Kube) -> None:
    assert "not found" in pods.refused("top", "pod", "new")
    path = f"{API}/namespaces/{pods.namespace}/pods/new"
    why = f'podmetrics.metrics.k8s.io "{pods.namespace}/new" not found'
    assert refusal(lambda: kube.raw("GET", path)) == (404, "NotFound", why)
    assert refusal(lambda: kube.raw("GET", f"{API}/nodes/no"))[2] == 'nodemetrics.metrics.k8s.io "no" not found'
    assert "web" not in pods("get", "--raw", f"{API}/namespaces/{pods.namespace}/pods?labelSelector=app%3Dnew")


def test_top_nodes(kubectl: Kubectl, server: Running, kube: Kube) -> None:
    kube.apply(NODE)
    status = {"status": {"capacity": {"cpu": "2", "memory": "4Gi"}, "allocatable": {"cpu": "2", "memory": "4Gi"}}}
    kubectl("patch", "node", "iiab", "--subresource=status", "--type=merge", "-p", json.dumps(status))
    server.meter.whole = None
    assert kube.raw("GET", f"{API}/nodes").json()["items"] == []
    server.meter.whole = use(0.5, 1024)
    assert kubectl("top", "nodes").splitlines()[1].split() == ["iiab", "500m", "25%", "1024Mi", "25%"]


def test_one_pod_as_metrics_server_tells_it(pods: Kubectl) -> None:
    found = json.loads(pods("get", "--raw", f"{API}/namespaces/{pods.namespace}/pods/web"))
    assert (found["kind"], found["apiVersion"]) == ("PodMetrics", "metrics.k8s.io/v1beta1")
    assert (found["timestamp"], found["window"]) == ("2027-01-15T07:59:59Z", "15.020s")
    assert found["containers"][0] == {"name": "main", "usage": {"cpu": "200000000n", "memory": "102400Ki"}}
    assert found["metadata"]["labels"] == {"app": "web"}


def test_they_are_listed_like_any_resource(pods: Kubectl) -> None:
    assert "pods.metrics.k8s.io" in pods("api-resources", "--api-group=metrics.k8s.io", "-o", "name").split()
    rows = [line.split() for line in pods("get", "pods.metrics.k8s.io").splitlines()]
    assert rows == [["NAME", "CPU", "MEMORY", "WINDOW"], ["web", "250m", "130Mi", "15.020s"]]
    assert "field label not supported" in pods.refused("get", "--raw", f"{API}/pods?fieldSelector=status.phase%3DX")


@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_they_are_read_only(kube: Kube, method: str) -> None:
    assert refusal(lambda: kube.raw(method, f"{API}/namespaces/default/pods/web", json={}))[0] in (404, 405)


def test_who_may_view_a_namespace_may_see_what_its_pods_use(pods: Kubectl, kube: Kube, server: Running) -> None:
    person = Person(server, kube, pods.namespace)
    person.bound("ClusterRole", "view")
    assert person.may("GET", f"{API}/namespaces/{pods.namespace}/pods")
    assert not person.may("GET", f"{API}/pods")
    assert not person.may("GET", f"{API}/nodes")
