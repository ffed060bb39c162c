"""Namespaces that come and go."""

from __future__ import annotations

from typing import Any

import pytest

from iiab_lab.errors import ApiError
from iiab_lab.kube import Kube

from .conftest import MERGE, eventually, refusal
from .space import Space, ns

__all__ = ["ns"]


def test_nothing_is_made_in_a_namespace_that_is_not_there(kube: Kube, space: str) -> None:
    nowhere = Space(kube, f"no-{space}"[:63])
    code, reason, message = refusal(lambda: nowhere.make("configmaps", "m"))
    assert (code, reason) == (404, "NotFound") and f'namespaces "{nowhere.name}" not found' in message


def test_a_namespace_is_active_with_an_account_and_the_ca(kube: Kube, space: str) -> None:
    found = eventually(
        lambda: (obj := kube.get("v1", "Namespace", space)) and (obj.get("status") or {}).get("phase") and obj
    )
    assert found["status"]["phase"] == "Active"
    assert found["metadata"]["labels"]["kubernetes.io/metadata.name"] == space
    eventually(lambda: kube.get("v1", "ServiceAccount", "default", space))
    eventually(lambda: kube.get("v1", "ConfigMap", "kube-root-ca.crt", space))


def going(kube: Kube, space: str) -> dict[str, Any]:
    """A namespace that cannot go on, because an object in it has a finalizer."""
    meta = {"name": "held", "finalizers": ["test/hold"]}
    kube.raw("POST", f"/api/v1/namespaces/{space}/configmaps", json={"metadata": meta})
    answer: dict[str, Any] = kube.raw("DELETE", f"/api/v1/namespaces/{space}").json()
    return answer


def test_a_namespace_that_goes_takes_nothing_new_and_waits_for_finalizers(kube: Kube, space: str, ns: Space) -> None:
    ns.make("secrets", "s")
    answer = going(kube, space)
    assert answer["metadata"]["deletionTimestamp"] and answer["status"]["phase"] == "Terminating"
    with pytest.raises(ApiError) as refused:
        ns.make("configmaps", "new")
    assert (refused.value.code, refused.value.reason) == (403, "Forbidden")
    assert (
        f'configmaps "new" is forbidden: unable to create new content in namespace {space} because it is being terminated'
        in refused.value.message
    )
    eventually(lambda: kube.get("v1", "Secret", "s", space) is None)
    conditions = lambda: {  # noqa: E731
        c["type"]: c for c in (kube.get("v1", "Namespace", space) or {})["status"].get("conditions", ())
    }
    remaining = eventually(lambda: conditions().get("NamespaceContentRemaining"))
    assert remaining["status"] == "True" and "configmaps" in remaining["message"]
    finalizers = eventually(lambda: conditions().get("NamespaceFinalizersRemaining"))
    assert finalizers["status"] == "True" and "test/hold in 1 resource instances" in finalizers["message"]
    kube.raw("PATCH", f"{ns.path}/configmaps/held", json={"metadata": {"finalizers": None}}, headers=MERGE)
    eventually(lambda: kube.get("v1", "Namespace", space) is None)


def test_a_client_reads_why_from_the_cause(kube: Kube, space: str) -> None:
    """Controllers ask for this cause, not for the words."""
    going(kube, space)
    answer = kube.session.post(
        f"{kube.server}/api/v1/namespaces/{space}/configmaps", json={"metadata": {"name": "n"}}, timeout=20
    )
    assert answer.json()["details"]["causes"] == [
        {
            "reason": "NamespaceTerminating",
            "message": f"namespace {space} is being terminated",
            "field": "metadata.namespace",
        }
    ]


def test_a_namespace_made_anew_is_empty(kube: Kube, space: str, ns: Space) -> None:
    ns.make("configmaps", "old")
    ns.pod("old")
    first = kube.get("v1", "Namespace", space)
    kube.raw("DELETE", ns.path)
    eventually(lambda: kube.get("v1", "Namespace", space) is None)
    kube.raw("POST", "/api/v1/namespaces", json={"metadata": {"name": space}})
    second = kube.get("v1", "Namespace", space)
    assert first and second and first["metadata"]["uid"] != second["metadata"]["uid"]
    assert kube.get("v1", "ConfigMap", "old", space) is None and kube.list("v1", "Pod", space) == []


@pytest.mark.parametrize("name", ["default", "kube-system"])
def test_the_first_namespaces_are_never_deleted(kube: Kube, name: str) -> None:
    code, reason, message = refusal(lambda: kube.raw("DELETE", f"/api/v1/namespaces/{name}"))
    assert (code, reason) == (403, "Forbidden")
    assert message.startswith(f'namespaces "{name}" is forbidden: this namespace may not be deleted')
    assert not (kube.get("v1", "Namespace", name) or {})["metadata"].get("deletionTimestamp")
