"""The official Python client: typed and dynamic, watches that resume, kinds of a user's own, files of YAML."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from kubernetes import client, config, dynamic, utils, watch
from kubernetes.client.rest import ApiException

from iiab_lab.engines.embedded.store import watch as history
from iiab_lab.kube import Kube

from .conftest import Running, eventually

SELECTOR = {"matchLabels": {"app": "web"}}
TEMPLATE = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "main", "image": "x"}]}}


@pytest.fixture
def python_client(server: Running) -> Any:
    configuration = client.Configuration()
    config.load_kube_config(str(server.kubeconfig), client_configuration=configuration)
    return client.ApiClient(configuration)


@pytest.fixture
def core(python_client: Any) -> Any:
    return client.CoreV1Api(python_client)


def config_map(name: str, **data: str) -> Any:
    return client.V1ConfigMap(metadata=client.V1ObjectMeta(name=name, labels={"made": "here"}), data=data)


def refused(call: Any, *arguments: Any) -> tuple[int, str]:
    with pytest.raises(ApiException) as caught:
        call(*arguments)
    return caught.value.status, caught.value.reason


def test_the_python_client_creates_watches_and_deletes(core: Any, space: str) -> None:
    core.create_namespaced_config_map(
        space, {"metadata": {"generateName": "settings-", "labels": {"made": "here"}}, "data": {"a": "1"}}
    )
    listed = core.list_namespaced_config_map(space, label_selector="made=here")
    name = listed.items[0].metadata.name
    assert name.startswith("settings-") and listed.items[0].data == {"a": "1"}
    core.patch_namespaced_config_map(name, space, {"data": {"b": "2"}})
    core.delete_namespaced_config_map(name, space)
    seen = []
    stream = watch.Watch()
    since = listed.metadata.resource_version
    options = {"resource_version": since, "timeout_seconds": 5, "label_selector": "made=here"}
    for event in stream.stream(core.list_namespaced_config_map, space, **options):
        seen.append((event["type"], event["object"].data))
        if event["type"] == "DELETED":
            stream.stop()
    assert seen == [("MODIFIED", {"a": "1", "b": "2"}), ("DELETED", {"a": "1", "b": "2"})]


def test_a_typed_deployment_is_replaced_scaled_and_reported_on(python_client: Any, space: str) -> None:
    apps = client.AppsV1Api(python_client)
    made = apps.create_namespaced_deployment(
        space,
        client.V1Deployment(
            metadata=client.V1ObjectMeta(name="web"),
            spec=client.V1DeploymentSpec(
                selector=client.V1LabelSelector(match_labels={"app": "web"}),
                template=client.V1PodTemplateSpec(
                    metadata=client.V1ObjectMeta(labels={"app": "web"}),
                    spec=client.V1PodSpec(containers=[client.V1Container(name="main", image="x")]),
                ),
            ),
        ),
    )
    assert made.spec.replicas == 1 and made.status is not None
    scale = apps.read_namespaced_deployment_scale("web", space)
    assert scale.status.selector == "app=web"
    scale.spec.replicas = 4
    assert apps.replace_namespaced_deployment_scale("web", space, scale).spec.replicas == 4
    assert refused(apps.replace_namespaced_deployment, "web", space, made) == (409, "Conflict")
    now = apps.read_namespaced_deployment("web", space)
    now.status = client.V1DeploymentStatus(replicas=4, ready_replicas=3)
    now.spec.replicas = 9
    stored = apps.replace_namespaced_deployment_status("web", space, now)
    assert (stored.spec.replicas, stored.status.ready_replicas) == (4, 3)


def test_refusals_are_exceptions_with_a_code(core: Any, space: str) -> None:
    assert refused(core.read_namespaced_secret, "none", space) == (404, "Not Found")
    core.create_namespaced_config_map(space, config_map("one"))
    assert refused(core.create_namespaced_config_map, space, config_map("one"))[0] == 409
    assert refused(core.create_namespaced_config_map, space, config_map("Not A Name"))[0] == 422


def test_every_kind_of_kubernetes_that_is_served_is_listed_typed(python_client: Any) -> None:
    """What no client model can hold would raise here."""
    rbac, other = client.RbacAuthorizationV1Api(python_client), client.ApiextensionsV1Api(python_client)
    core, batch = client.CoreV1Api(python_client), client.BatchV1Api(python_client)
    assert "kube-root-ca.crt" in {item.metadata.name for item in core.list_config_map_for_all_namespaces().items}
    assert "default" in {item.metadata.name for item in core.list_namespace().items}
    assert "cluster-admin" in {item.metadata.name for item in rbac.list_cluster_role().items}
    assert {item.spec.scope for item in other.list_custom_resource_definition().items} == {"Namespaced", "Cluster"}
    assert batch.list_job_for_all_namespaces().items == []
    assert client.VersionApi(python_client).get_code().minor == "34"


def test_a_pod_is_pending_from_its_creation_and_can_be_evicted(core: Any, space: str) -> None:
    made = core.create_namespaced_pod(space, {"metadata": {"name": "one"}, "spec": TEMPLATE["spec"]})
    assert made.status.phase == "Pending"
    assert [pod.metadata.name for pod in core.list_namespaced_pod(space, field_selector="status.phase=Pending").items]
    core.create_namespaced_pod_eviction("one", space, {"metadata": {"name": "one", "namespace": space}})
    assert core.list_namespaced_pod(space).items == []


def test_rights_are_granted_and_reviewed(python_client: Any, core: Any, space: str) -> None:
    rbac = client.RbacAuthorizationV1Api(python_client)
    rules = [client.V1PolicyRule(api_groups=[""], resources=["pods"], verbs=["list"])]
    rbac.create_namespaced_role(space, client.V1Role(metadata=client.V1ObjectMeta(name="r"), rules=rules))
    subject = client.RbacV1Subject(kind="ServiceAccount", name="default", namespace=space)
    ref = client.V1RoleRef(api_group="rbac.authorization.k8s.io", kind="Role", name="r")
    binding = client.V1RoleBinding(metadata=client.V1ObjectMeta(name="r"), subjects=[subject], role_ref=ref)
    rbac.create_namespaced_role_binding(space, binding)
    user = f"system:serviceaccount:{space}:default"
    reviews = client.AuthorizationV1Api(python_client)
    for resource, allowed in (("pods", True), ("secrets", False)):
        asked = {"user": user, "resourceAttributes": {"verb": "list", "resource": resource, "namespace": space}}
        assert reviews.create_subject_access_review({"spec": asked}).status.allowed is allowed
    token = core.create_namespaced_service_account_token("default", space, {"spec": {"expirationSeconds": 600}})
    identity = client.AuthenticationV1Api(python_client)
    assert identity.create_token_review({"spec": {"token": token.status.token}}).status.user.username == user
    assert identity.create_self_subject_review({}).status.user_info.username == "kubernetes-admin"


def test_a_watch_goes_on_where_it_ended(core: Any, space: str) -> None:
    since = core.list_namespaced_config_map(space).metadata.resource_version
    core.create_namespaced_config_map(space, config_map("one"))
    stream, seen = watch.Watch(), []

    def once() -> None:
        options = {"resource_version": stream.resource_version or since, "timeout_seconds": 1}
        seen.extend(
            (event["type"], event["object"].metadata.name)
            for event in stream.stream(core.list_namespaced_config_map, space, label_selector="made", **options)
        )

    once()
    core.create_namespaced_config_map(space, config_map("two"))
    core.delete_namespaced_config_map("one", space)
    once()
    assert seen == [("ADDED", "one"), ("ADDED", "two"), ("DELETED", "one")]


def test_a_watch_from_before_history_is_gone_and_begins_again_from_a_list(
    core: Any, space: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    since = core.list_namespaced_config_map(space).metadata.resource_version
    monkeypatch.setattr(history, "RING", 5)
    for index in range(8):
        core.create_namespaced_config_map(space, config_map(f"m{index}"))
    options = {"resource_version": since, "timeout_seconds": 2}
    gone = lambda: list(watch.Watch().stream(core.list_namespaced_config_map, space, **options))  # noqa: E731
    code, reason = refused(gone)
    assert code == 410 and reason.startswith("Expired: too old resource version")
    listed = core.list_namespaced_config_map(space)
    core.delete_namespaced_config_map("m0", space)
    options["resource_version"] = listed.metadata.resource_version
    assert [(event["type"], event["object"].metadata.name) for event in gone()] == [("DELETED", "m0")]


def test_the_python_dynamic_client_finds_kinds_and_applies(python_client: Any, space: str) -> None:
    maps = dynamic.DynamicClient(python_client).resources.get(api_version="v1", kind="ConfigMap")
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "d"}, "data": {"k": "v"}}
    maps.server_side_apply(body=body, name="d", namespace=space, field_manager="test")
    assert maps.get(name="d", namespace=space).data.k == "v"
    with pytest.raises(dynamic.exceptions.ConflictError) as caught:
        other = body | {"data": {"k": "w"}}
        maps.server_side_apply(body=other, name="d", namespace=space, field_manager="other")
    assert 'conflict with \\"test\\": .data.k' in str(caught.value.body)
    forced = maps.server_side_apply(body=other, name="d", namespace=space, field_manager="other", force_conflicts=True)
    assert [entry.manager for entry in forced.metadata.managedFields] == ["other"]


def test_the_dynamic_client_watches_patches_and_deletes(python_client: Any, space: str) -> None:
    maps = dynamic.DynamicClient(python_client).resources.get(api_version="v1", kind="ConfigMap")
    since = maps.get(namespace=space).metadata.resourceVersion
    maps.create(namespace=space, body={"metadata": {"name": "d"}})
    patch = {"data": {"z": "1"}}
    maps.patch(name="d", namespace=space, body=patch, content_type="application/merge-patch+json")
    maps.delete(name="d", namespace=space)
    seen = [
        (event["type"], event["raw_object"].get("data"))
        for event in maps.watch(namespace=space, resource_version=since, timeout=1)
        if event["object"].metadata.name == "d"
    ]
    assert seen == [("ADDED", None), ("MODIFIED", {"z": "1"}), ("DELETED", {"z": "1"})]


def test_objects_of_a_users_own_kind(python_client: Any, kube: Kube, space: str) -> None:
    group = f"{space[-8:]}.example.org"
    schema = {"type": "object", "properties": {"spec": {"type": "object", "properties": {"crew": {"type": "integer"}}}}}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    names = {"kind": "Boat", "plural": "boats", "singular": "boat"}
    spec = {"group": group, "scope": "Namespaced", "names": names, "versions": [version]}
    definitions, name = client.ApiextensionsV1Api(python_client), f"boats.{group}"
    definitions.create_custom_resource_definition({"metadata": {"name": name}, "spec": spec})
    read = lambda: definitions.read_custom_resource_definition(name).status  # noqa: E731
    eventually(lambda: (status := read()) and any(c.type == "Established" for c in status.conditions or ()))
    custom, where = client.CustomObjectsApi(python_client), (group, "v1", space, "boats")
    body = {"apiVersion": f"{group}/v1", "kind": "Boat", "metadata": {"name": "one"}, "spec": {"crew": 3}}
    custom.create_namespaced_custom_object(*where, body)
    assert custom.patch_namespaced_custom_object(*where, "one", {"spec": {"crew": 4}})["spec"] == {"crew": 4}
    assert [item["spec"] for item in custom.list_namespaced_custom_object(*where)["items"]] == [{"crew": 4}]
    custom.delete_namespaced_custom_object(*where, "one")
    assert refused(custom.get_namespaced_custom_object, *where, "one")[0] == 404


def test_a_file_of_several_objects_is_created(python_client: Any, core: Any, space: str, tmp_path: Path) -> None:
    file = tmp_path / "objects.yaml"
    file.write_text(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: one}\n---\n"
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\n"
        "spec: {selector: {matchLabels: {app: web}}, template: {metadata: {labels: {app: web}}, "
        "spec: {containers: [{name: main, image: x}]}}}\n"
    )
    utils.create_from_yaml(python_client, str(file), namespace=space)
    assert core.read_namespaced_config_map("one", space).metadata.uid
    assert client.AppsV1Api(python_client).read_namespaced_deployment("web", space).spec.replicas == 1
    with pytest.raises(utils.FailToCreateError, match="AlreadyExists"):
        utils.create_from_yaml(python_client, str(file), namespace=space)
