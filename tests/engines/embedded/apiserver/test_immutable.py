"""What an update may not touch: refused by field, in Kubernetes' words, and nothing of it stored."""

from __future__ import annotations

from typing import Any

import pytest

from iiab_lab.kube import Kube

from .conftest import MERGE, refusal

POD = {"containers": [{"name": "main", "image": "x:1"}], "initContainers": [{"name": "first", "image": "x:1"}]}
LABELS = {"app": "web"}
WORKLOAD = {
    "selector": {"matchLabels": LABELS},
    "template": {"metadata": {"labels": LABELS}, "spec": {"containers": POD["containers"]}},
}
RBAC = "rbac.authorization.k8s.io"
REF = {"apiGroup": RBAC, "kind": "ClusterRole", "name": "view"}
CLAIM = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
JOB = {"template": {"spec": {"containers": POD["containers"], "restartPolicy": "Never"}}}
RING = "field is immutable when `immutable` is set"

Body = dict[str, Any]


def path(space: str, api: str, plural: str) -> str:
    return f"/{'api' if api == 'v1' else 'apis'}/{api}/namespaces/{space}/{plural}"


@pytest.mark.parametrize(
    ("api", "plural", "made", "changed", "said"),
    [
        ("v1", "configmaps", {"data": {"a": "1"}, "immutable": True}, {"data": {"a": "2"}}, f"data: Forbidden: {RING}"),
        ("v1", "configmaps", {"data": {"a": "1"}, "immutable": True}, {"data": {"b": "2"}}, f"data: Forbidden: {RING}"),
        ("v1", "configmaps", {"immutable": True}, {"binaryData": {"a": "eA=="}}, f"binaryData: Forbidden: {RING}"),
        ("v1", "configmaps", {"immutable": True}, {"immutable": False}, f"immutable: Forbidden: {RING}"),
        ("v1", "configmaps", {"immutable": True}, {"immutable": None}, f"immutable: Forbidden: {RING}"),
        ("v1", "secrets", {"data": {"a": "eA=="}, "immutable": True}, {"data": None}, f"data: Forbidden: {RING}"),
        ("v1", "secrets", {"immutable": True}, {"stringData": {"a": "b"}}, f"data: Forbidden: {RING}"),
        ("v1", "secrets", {"type": "example.com/own"}, {"type": "Opaque"}, 'type: Invalid value: "Opaque": field is'),
        ("apps/v1", "deployments", {"spec": WORKLOAD}, {"spec": {"selector": {"matchLabels": {"app": "x"}}}}, "spec.s"),
        ("apps/v1", "replicasets", {"spec": WORKLOAD}, {"spec": {"selector": {"matchLabels": {"b": "c"}}}}, "spec.sel"),
        (
            "batch/v1",
            "jobs",
            {"spec": JOB},
            {"spec": {"template": {"spec": {"containers": [{"name": "main", "image": "x:2"}]}}}},
            "spec.template: Invalid value",
        ),
        (f"{RBAC}/v1", "rolebindings", {"roleRef": REF}, {"roleRef": {"name": "edit"}}, "cannot change roleRef"),
        (
            "v1",
            "persistentvolumeclaims",
            {"spec": CLAIM},
            {"spec": {"accessModes": ["ReadWriteMany"]}},
            "spec: Forbidden: spec is immutable after creation except resources.requests",
        ),
        (
            "v1",
            "services",
            {"spec": {"clusterIP": "10.0.0.9", "ports": [{"port": 80}]}},
            {"spec": {"clusterIP": "10.0.0.10"}},
            "spec.clusterIP",
        ),
        (
            "v1",
            "pods",
            {"spec": POD},
            {"spec": {"containers": [{"name": "main", "image": "x:1", "args": ["a"]}]}},
            "spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`",
        ),
        (
            "v1",
            "pods",
            {"spec": POD},
            {"spec": {"containers": [*POD["containers"], {"name": "two", "image": "x"}]}},
            "spec: Forbidden: pod updates may not",
        ),
        ("v1", "pods", {"spec": POD}, {"spec": {"restartPolicy": "Never"}}, "spec: Forbidden: pod updates may not"),
        ("v1", "pods", {"spec": POD}, {"spec": {"serviceAccountName": "other"}}, "spec: Forbidden: pod updates may"),
    ],
)
def test_what_is_immutable_is_invalid_to_change(
    kube: Kube, space: str, api: str, plural: str, made: Body, changed: Body, said: str
) -> None:
    where = path(space, api, plural)
    before = kube.raw("POST", where, json={"metadata": {"name": "x"}} | made).json()
    code, reason, message = refusal(lambda: kube.raw("PATCH", f"{where}/x", json=changed, headers=MERGE))
    assert (code, reason) == (422, "Invalid") and said in message
    after = kube.raw("GET", f"{where}/x").json()
    assert {k: v for k, v in after.items() if k not in ("metadata", "status")} == {
        k: v for k, v in before.items() if k not in ("metadata", "status")
    }


@pytest.mark.parametrize(
    ("api", "plural", "made", "changed"),
    [
        ("v1", "configmaps", {"immutable": True}, {"metadata": {"labels": {"a": "b"}}}),
        ("v1", "configmaps", {"data": {"a": "1"}}, {"data": {"a": "2"}, "immutable": True}),
        ("v1", "secrets", {"immutable": False}, {"stringData": {"a": "b"}}),
        ("apps/v1", "deployments", {"spec": WORKLOAD}, {"spec": {"replicas": 3}}),
        ("v1", "persistentvolumeclaims", {"spec": CLAIM}, {"metadata": {"annotations": {"a": "b"}}}),
        ("v1", "services", {"spec": {"ports": [{"port": 80}]}}, {"spec": {"ports": [{"port": 81}]}}),
        ("v1", "pods", {"spec": POD}, {"spec": {"containers": [{"name": "main", "image": "x:2"}]}}),
        ("v1", "pods", {"spec": POD}, {"spec": {"initContainers": [{"name": "first", "image": "x:2"}]}}),
        ("batch/v1", "jobs", {"spec": JOB}, {"spec": {"backoffLimit": 2}}),
    ],
)
def test_everything_else_may_change(kube: Kube, space: str, api: str, plural: str, made: Body, changed: Body) -> None:
    where = path(space, api, plural)
    before = kube.raw("POST", where, json={"metadata": {"name": "x"}} | made).json()
    after = kube.raw("PATCH", f"{where}/x", json=changed, headers=MERGE).json()
    assert after["metadata"]["resourceVersion"] != before["metadata"]["resourceVersion"]
    kube.raw("DELETE", f"{where}/x", params={"gracePeriodSeconds": "0"})


def test_a_service_keeps_its_address_where_an_update_leaves_it_out(kube: Kube, space: str) -> None:
    where, spec = path(space, "v1", "services"), {"ports": [{"port": 80}]}
    kube.raw("POST", where, json={"metadata": {"name": "x"}, "spec": spec | {"clusterIP": "None"}})
    put = lambda **more: kube.raw("PUT", f"{where}/x", json={"metadata": {"name": "x"}, "spec": spec | more}).json()  # noqa: E731
    assert put()["spec"]["clusterIP"] == "None"
    assert "clusterIP" not in put(type="ExternalName", externalName="elsewhere.example.com")["spec"]


def test_a_pod_takes_further_tolerations_and_loses_none(kube: Kube, space: str) -> None:
    where, one = path(space, "v1", "pods"), {"key": "a", "operator": "Exists"}
    kube.raw("POST", where, json={"metadata": {"name": "x"}, "spec": POD | {"tolerations": [one]}})
    more = {"spec": {"tolerations": [one, {"key": "b", "operator": "Exists"}]}}
    kube.raw("PATCH", f"{where}/x", json=more, headers=MERGE)
    less = {"spec": {"tolerations": [one]}}
    message = refusal(lambda: kube.raw("PATCH", f"{where}/x", json=less, headers=MERGE))[2]
    assert "only additions to existing tolerations" in message


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"metadata": {"name": "y"}}, 400),
        ({"metadata": {"namespace": "default"}}, 400),
        ({"metadata": {"uid": "11111111-2222-3333-4444-555555555555"}}, 409),
        ({"kind": "Secret"}, 400),
        ({"apiVersion": "v2"}, 400),
    ],
)
def test_who_an_object_is_cannot_change(kube: Kube, space: str, changed: Body, code: int) -> None:
    where = path(space, "v1", "configmaps")
    kube.raw("POST", where, json={"metadata": {"name": "x"}})
    assert refusal(lambda: kube.raw("PATCH", f"{where}/x", json=changed, headers=MERGE))[0] == code
    whole = kube.raw("GET", f"{where}/x").json()
    whole |= {k: v for k, v in changed.items() if k != "metadata"}
    whole["metadata"] |= changed.get("metadata", {})
    assert refusal(lambda: kube.raw("PUT", f"{where}/x", json=whole))[0] == code


def test_what_the_server_keeps_of_an_object_stays_whatever_a_client_sends(kube: Kube, space: str) -> None:
    where = path(space, "apps/v1", "deployments")
    before = kube.raw("POST", where, json={"metadata": {"name": "x", "generation": 9}, "spec": WORKLOAD}).json()
    assert before["metadata"]["generation"] == 1
    wrong = {"creationTimestamp": "2001-01-01T00:00:00Z", "generation": 7, "deletionTimestamp": "2001-01-01T00:00:00Z"}
    patch = {"metadata": wrong | {"selfLink": "/x"}, "status": {"replicas": 5}}
    after = kube.raw("PATCH", f"{where}/x", json=patch, headers=MERGE).json()
    for name in ("uid", "creationTimestamp", "generation"):
        assert after["metadata"][name] == before["metadata"][name]
    assert "deletionTimestamp" not in after["metadata"] and "replicas" not in (after.get("status") or {})


@pytest.mark.parametrize(
    ("field", "value"),
    [("group", "other.example.com"), ("scope", "Cluster"), ("names", {"kind": "Other", "plural": "things"})],
)
def test_a_definition_keeps_its_group_scope_and_names(kube: Kube, space: str, field: str, value: Any) -> None:
    group = f"{space[-8:]}.example.com"
    schema = {"openAPIV3Schema": {"type": "object"}}
    body = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"things.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"kind": "Thing", "plural": "things"},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": schema}],
        },
    }
    kube.apply(body)
    where = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/things.{group}"
    code, reason, message = refusal(lambda: kube.raw("PATCH", where, json={"spec": {field: value}}, headers=MERGE))
    assert (code, reason) == (422, "Invalid") and f"spec.{field}" in message
    kube.raw("DELETE", where)
