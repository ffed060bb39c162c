"""kr8s, lightkube and the lab's own small client: what they create, read, change, watch, wait for and delete."""

from __future__ import annotations

from typing import Any

import kr8s
import lightkube
import pytest
from kr8s import objects
from lightkube.core.exceptions import ApiError
from lightkube.generic_resource import create_namespaced_resource
from lightkube.models.apps_v1 import DeploymentSpec
from lightkube.models.core_v1 import Container, PodSpec, PodTemplateSpec
from lightkube.models.meta_v1 import LabelSelector, ObjectMeta
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import ConfigMap, Pod
from lightkube.types import PatchType

from iiab_lab.kube import Kube

from .conftest import Running

PODS = {"containers": [{"name": "main", "image": "x"}]}
TEMPLATE = {"metadata": {"labels": {"app": "web"}}, "spec": PODS}
ROUTE = {"hostnames": ["example.org"], "rules": [{}]}


@pytest.fixture
def kr(server: Running) -> Any:
    return kr8s.api(kubeconfig=str(server.kubeconfig))


@pytest.fixture
def light(server: Running, space: str) -> lightkube.Client:
    config = lightkube.KubeConfig.from_file(str(server.kubeconfig))
    return lightkube.Client(config=config, namespace=space, field_manager="light")


def new(kr: Any, space: str, kind: Any, name: str, **body: Any) -> Any:
    made = kind({"metadata": {"name": name, "namespace": space, "labels": {"made": "here"}}} | body, api=kr)
    made.create()
    return made


def test_kr8s_creates_reads_changes_and_deletes(kr: Any, space: str) -> None:
    made = new(kr, space, objects.ConfigMap, "one", data={"k": "v"})
    made.patch({"data": {"k": "w"}})
    made.label({"tier": "front"})
    made.annotate({"note": "this"})
    (found,) = kr.get("configmaps", namespace=space, label_selector="tier=front")
    assert (found.name, found.data, found.annotations) == ("one", {"k": "w"}, {"note": "this"})
    made.remove_label("tier")
    assert [item.name for item in kr.get("cm", "one", namespace=space)] == ["one"]
    assert objects.ConfigMap.get("one", namespace=space, api=kr).labels == {"made": "here"}
    made.delete()
    made.wait("delete", timeout=20)
    assert not made.exists()
    with pytest.raises(kr8s.NotFoundError):
        objects.ConfigMap.get("one", namespace=space, api=kr)


def test_kr8s_scales_a_deployment_and_waits_for_it(kr: Any, space: str) -> None:
    spec = {"replicas": 1, "selector": {"matchLabels": {"app": "web"}}, "template": TEMPLATE}
    web = new(kr, space, objects.Deployment, "web", spec=spec)
    assert not web.ready()
    available = [{"type": "Available", "status": "True"}]
    status = {"observedGeneration": 9, "replicas": 3, "readyReplicas": 3, "conditions": available}
    web.patch({"status": status}, subresource="status")
    web.scale(3)
    web.wait("condition=Available", timeout=20)
    assert web.replicas == 3 and web.ready()


def test_kr8s_sees_a_pod_pending_and_watches_it_go(kr: Any, space: str) -> None:
    pod = new(kr, space, objects.Pod, "one", spec=PODS)
    assert pod.status.phase == "Pending" and not pod.ready()
    seen = []
    for event, item in kr.watch("pods", namespace=space):
        seen.append((event, item.name))
        if event == "ADDED":
            pod.delete()
        if event == "DELETED":
            break
    assert seen == [("ADDED", "one"), ("DELETED", "one")]


def test_kr8s_asks_who_it_is_and_what_there_is(kr: Any) -> None:
    assert kr.whoami() == "kubernetes-admin" and kr.version()["minor"] == "34"
    assert {"pods", "deployments", "inferenceservices"} <= {item["name"] for item in kr.api_resources()}


def test_kr8s_speaks_of_kinds_it_was_told_of(kr: Any, space: str) -> None:
    route = objects.new_class("HTTPRoute", "gateway.networking.k8s.io/v1")
    new(kr, space, route, "one", spec=ROUTE)
    assert [item.spec.hostnames for item in kr.get(route, namespace=space)] == [["example.org"]]


def test_lightkube_creates_lists_in_pages_replaces_and_deletes(light: lightkube.Client) -> None:
    for name in ("a", "b", "c"):
        light.create(ConfigMap(metadata=ObjectMeta(name=name, labels={"made": "here"}), data={"k": name}))
    listed = list(light.list(ConfigMap, labels={"made": "here"}, chunk_size=1))
    assert [item.metadata.name for item in listed] == ["a", "b", "c"]
    stale = light.get(ConfigMap, "a")
    stale.data = {"k": "new"}
    assert light.replace(stale).data == {"k": "new"}
    with pytest.raises(ApiError) as conflict:
        light.replace(stale)
    assert (conflict.value.status.code, conflict.value.status.reason) == (409, "Conflict")
    light.deletecollection(ConfigMap)
    assert list(light.list(ConfigMap, labels={"made": "here"})) == []
    with pytest.raises(ApiError) as missing:
        light.get(ConfigMap, "a")
    assert missing.value.status.reason == "NotFound"


def test_lightkube_applies_and_hears_of_conflicts(light: lightkube.Client) -> None:
    wanted = ConfigMap(metadata=ObjectMeta(name="a"), data={"k": "v", "own": "1"})
    assert light.apply(wanted).metadata.managedFields[0].operation == "Apply"
    other = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"k": "w"}}
    with pytest.raises(ApiError, match=r'Apply failed with 1 conflict: conflict with "light": \.data\.k'):
        light.patch(ConfigMap, "a", other, patch_type=PatchType.APPLY, field_manager="other")
    forced = light.patch(ConfigMap, "a", other, patch_type=PatchType.APPLY, field_manager="other", force=True)
    assert forced.data == {"k": "w", "own": "1"}


@pytest.mark.parametrize(
    ("kind", "patch"),
    [
        (PatchType.MERGE, {"data": {"k": "w"}}),
        (PatchType.STRATEGIC, {"data": {"k": "w"}}),
        (PatchType.JSON, [{"op": "replace", "path": "/data/k", "value": "w"}]),
    ],
)
def test_lightkube_patches_in_every_way(light: lightkube.Client, kind: PatchType, patch: Any) -> None:
    light.create(ConfigMap(metadata=ObjectMeta(name="a"), data={"k": "v", "l": "m"}))
    assert light.patch(ConfigMap, "a", patch, patch_type=kind).data == {"k": "w", "l": "m"}


def test_lightkube_watches_from_a_version_and_waits_for_conditions(light: lightkube.Client) -> None:
    containers = [Container(name="main", image="x")]
    template = PodTemplateSpec(metadata=ObjectMeta(labels={"app": "web"}), spec=PodSpec(containers=containers))
    spec = DeploymentSpec(selector=LabelSelector(matchLabels={"app": "web"}), template=template)
    made = light.create(Deployment(metadata=ObjectMeta(name="web"), spec=spec))
    status = {"conditions": [{"type": "Available", "status": "True"}]}
    light.patch(Deployment.Status, "web", {"status": status}, patch_type=PatchType.MERGE)
    assert light.wait(Deployment, "web", for_conditions=["Available"]).metadata.name == "web"
    light.delete(Deployment, "web")
    since, seen = made.metadata.resourceVersion, []
    for event, _ in light.watch(Deployment, resource_version=since, server_timeout=5):
        seen.append(event)
        if event == "DELETED":
            break
    assert seen == ["MODIFIED", "DELETED"]


def test_lightkube_knows_no_log_of_a_pod_that_has_not_begun(light: lightkube.Client) -> None:
    light.create(Pod(metadata=ObjectMeta(name="one"), spec=PodSpec(containers=[Container(name="main", image="x")])))
    with pytest.raises(ApiError, match="is waiting to start: ContainerCreating"):
        list(light.log("one"))


def test_lightkube_speaks_of_kinds_it_was_told_of(light: lightkube.Client) -> None:
    route = create_namespaced_resource("gateway.networking.k8s.io", "v1", "HTTPRoute", "httproutes")
    light.create(route(metadata=ObjectMeta(name="one"), spec=ROUTE))
    assert [item.spec["hostnames"] for item in light.list(route)] == [["example.org"]]


def test_the_labs_own_merges_and_deletes_what_may_be_gone(kube: Kube, space: str) -> None:
    named = ("v1", "ConfigMap", "one", space)
    kube.apply(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "one", "namespace": space}, "data": {"a": "1"}}
    )
    assert kube.merge(*named, {"data": {"a": None, "b": "2"}})["data"] == {"b": "2"}
    kube.delete(*named)
    assert kube.get(*named) is None
    kube.delete(*named)
