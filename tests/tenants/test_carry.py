"""A tenant in a file: what somebody wrote and nothing else, made again under its own name or another."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest
import yaml

from iiab_lab.errors import ApiError, UsageError
from iiab_lab.kube import Object
from iiab_lab.tenants import add_tenant, export_tenant, import_tenant, remove_tenant
from iiab_lab.tenants.carry import _plain, _renamed

from .platform import Kube, target


def obj(kind: str, name: str, **more: Any) -> Object:
    meta = {"name": name, "namespace": "blue", **more.pop("meta", {})}
    return {"apiVersion": more.pop("version", "v1"), "kind": kind, "metadata": meta, **more}


OURS = (
    obj("ConfigMap", "settings", data={"host": "iris.blue.example.com"}),
    obj("PersistentVolumeClaim", "models", spec={"accessModes": ["ReadWriteOnce"], "volumeName": "pv-1"}),
    obj("InferenceService", "iris", version="lab/v1", spec={"predictor": {}}, status={"url": "http://x"}),
)
THEIRS = (
    obj("ConfigMap", "identity-jwks", data={"jwks": "{}"}),
    obj("ConfigMap", "kube-root-ca.crt"),
    obj("Secret", "identity-client", data={"client_secret": "eA=="}),
    obj("Pod", "iris-1", spec={}),
    obj("Service", "iris-private", meta={"ownerReferences": [{"kind": "Revision"}]}, spec={}),
)
LEFT_OUT = (
    obj("Secret", "mine", data={"password": "eA=="}),
    obj("ConfigMap", "published-model-metadata-iris", meta={"labels": {"app": "published-model", "model": "iris"}}),
    obj("ReferenceGrant", "grant-iris", version="lab/v1", meta={"labels": {"app": "published-model", "model": "iris"}}),
)


@pytest.fixture
def kube() -> Kube:
    made = Kube()
    add_tenant(target(made), "blue", cpu="3", models=2)
    for one in (*OURS, *THEIRS, *LEFT_OUT):
        made.apply(one)
    return made


def test_what_somebody_wrote_is_in_the_file_and_it_says_what_is_not(kube: Kube, tmp_path: Path) -> None:
    file = tmp_path / "blue.yaml"
    made = export_tenant(target(kube), "blue", file)
    objects = list(yaml.safe_load_all(file.read_text()))
    names = [(one["kind"], one["metadata"]["name"]) for one in objects]
    assert names[0] == ("Namespace", "blue") and len(names) == len(set(names)) == made.objects
    assert {(one["kind"], one["metadata"]["name"]) for one in OURS} <= set(names)
    assert not {(one["kind"], one["metadata"]["name"]) for one in (*THEIRS, *LEFT_OUT)} & set(names)
    assert all(one["metadata"].get("namespace", "blue") == "blue" and "status" not in one for one in objects)
    assert (made.secrets, made.published, made.volumes) == (["mine"], ["iris"], ["models"])
    assert "# Not in it: Secrets (--secrets): mine." in file.read_text()


def test_secrets_come_only_when_asked_for_and_then_nobody_else_reads_them(kube: Kube, tmp_path: Path) -> None:
    file = tmp_path / "blue.yaml"
    assert export_tenant(target(kube), "blue", file, secrets=True).secrets == []
    assert "password: eA==" in file.read_text() and "client_secret" not in file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with pytest.raises(UsageError, match="exists already"):
        export_tenant(target(kube), "blue", file)


def test_it_comes_again_under_another_name_beside_itself(kube: Kube, tmp_path: Path) -> None:
    file = tmp_path / "blue.yaml"
    export_tenant(target(kube), "blue", file)
    assert import_tenant(target(kube), file, "green") == "green"
    assert kube.objects["ConfigMap", "green", "settings"]["data"] == {"host": "iris.green.example.com"}
    for name in ("blue", "green"):
        hard = kube.objects["ResourceQuota", name, "tenant"]["spec"]["hard"]
        assert (hard["requests.cpu"], hard["count/inferenceservices.serving.kserve.io"]) == ("3", "2")
    assert ("ReferenceGrant", "istio-system", "edge-to-ingress-green") in kube.objects
    kinds = [kind for kind, space, _ in kube.wrote if space == "green"]
    assert kinds[-1] == "InferenceService", "what it is served from is there before it"


def test_a_file_that_is_not_taken_leaves_nothing(kube: Kube, tmp_path: Path) -> None:
    file = tmp_path / "blue.yaml"
    export_tenant(target(kube), "blue", file)
    before, kube.rejects = dict(kube.objects), "PersistentVolumeClaim"
    with pytest.raises(ApiError, match="forbidden"):
        import_tenant(target(kube), file, "green")
    assert kube.objects == before


@pytest.mark.parametrize(
    ("more", "why"),
    [
        (obj("Role", "x", meta={"namespace": "envoy-gateway-system"}), "somebody else: Role envoy-gateway-system/x"),
        ({"apiVersion": "v1", "kind": "ClusterRole", "metadata": {"name": "x"}}, "somebody else: ClusterRole /x"),
    ],
)
def test_a_file_that_reaches_for_more_is_refused(tmp_path: Path, more: Object, why: str) -> None:
    space = {"kind": "Namespace", "metadata": {"name": "blue", "labels": {"iiab.lab/tenant": "blue"}}}
    file = tmp_path / "x.yaml"
    file.write_text(yaml.safe_dump_all([space, more]))
    with pytest.raises(UsageError, match=why):
        import_tenant(target(Kube()), file)


def test_a_file_of_another_kind_is_none(tmp_path: Path) -> None:
    file = tmp_path / "x.yaml"
    for text in ("", "kind: ConfigMap\nmetadata: {name: x}", "kind: Namespace\nmetadata: {name: x}"):
        file.write_text(text)
        with pytest.raises(UsageError, match="is no tenant"):
            import_tenant(target(Kube()), file)


def test_labels_of_its_namespace_are_the_templates_whatever_the_file_says(tmp_path: Path) -> None:
    labels = {"iiab.lab/tenant": "blue", "iiab.lab/platform": "true"}
    file, kube = tmp_path / "x.yaml", Kube()
    file.write_text(yaml.safe_dump({"kind": "Namespace", "metadata": {"name": "blue", "labels": labels}}))
    import_tenant(target(kube), file)
    assert "iiab.lab/platform" not in kube.objects["Namespace", "", "blue"]["metadata"]["labels"]


def test_a_tenant_there_is_not_is_not_exported(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="There is no tenant blue"):
        export_tenant(target(Kube()), "blue", tmp_path / "x.yaml")
    assert not remove_tenant(target(Kube()), "blue")


@pytest.mark.parametrize(
    ("text", "renamed"),
    [
        ("blue", "green"),
        ("iris.blue.example.com", "iris.green.example.com"),
        ("https://x/tenants/blue", "https://x/tenants/green"),
        ("'x-tenant' in h && h['x-tenant'] != 'blue'", "'x-tenant' in h && h['x-tenant'] != 'green'"),
        ("blue-iris", "blue-iris"),
        ("deepblue", "deepblue"),
        ("not-blue", "not-blue"),
    ],
)
def test_a_name_is_changed_where_it_stands_for_the_tenant(text: str, renamed: str) -> None:
    assert _renamed({"a": [text, 1]}, "blue", "green") == {"a": [renamed, 1]}


def test_what_the_server_and_its_controllers_added_is_not_said_again() -> None:
    added = {"uid": "1", "resourceVersion": "2", "managedFields": [], "creationTimestamp": "x", "generation": 1}
    labels = {"controller-uid": "1", "batch.kubernetes.io/controller-uid": "1", "job-name": "train", "app": "train"}
    template = {"metadata": {"labels": labels}, "spec": {}}
    job = obj("Job", "train", meta=added, spec={"selector": {"matchLabels": labels}, "template": template}, status={})
    assert _plain(job) == obj("Job", "train", spec={"template": {"metadata": {"labels": {"app": "train"}}, "spec": {}}})
    service = obj(
        "Service",
        "web",
        meta={"finalizers": ["x"]},
        spec={"clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.1"], "ports": []},
    )
    assert _plain(service) == obj("Service", "web", spec={"ports": []})
    assert _plain(obj("Service", "web", spec={"clusterIP": "None"}))["spec"] == {"clusterIP": "None"}
