"""kubectl deletes: what belongs to an object, what holds it, how long it is given, many at once."""

from __future__ import annotations

import json

import pytest

from .conftest import eventually
from .kubectl import Kubectl


def owned(kubectl: Kubectl, owner: str, name: str) -> None:
    """A ConfigMap `name` that belongs to another."""
    kubectl("create", "configmap", owner)
    uid = kubectl.read("configmap", owner)["metadata"]["uid"]
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": owner, "uid": uid, "blockOwnerDeletion": True}
    meta = {"name": name, "ownerReferences": [reference]}
    kubectl.apply(json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta}))


@pytest.mark.parametrize("cascade", ["background", "foreground"])
def test_what_belongs_to_a_deleted_object_goes_with_it(kubectl: Kubectl, cascade: str) -> None:
    owned(kubectl, "owner", "child")
    kubectl("delete", "configmap", "owner", f"--cascade={cascade}")
    kubectl("wait", "--for=delete", "configmap/child", "--timeout=30s")
    assert kubectl("get", "configmap", "owner", "child", "--ignore-not-found") == ""


def test_a_foreground_deletion_waits_for_what_belongs_to_the_object(kubectl: Kubectl) -> None:
    owned(kubectl, "owner", "child")
    kubectl("patch", "cm", "child", "--type=merge", "-p", '{"metadata": {"finalizers": ["example.org/hold"]}}')
    kubectl("delete", "configmap", "owner", "--cascade=foreground", "--wait=false")
    eventually(lambda: "deletionTimestamp" in kubectl.read("cm", "child")["metadata"])
    assert kubectl.read("cm", "owner")["metadata"]["finalizers"] == ["foregroundDeletion"]
    kubectl("patch", "cm", "child", "--type=json", "-p", '[{"op": "remove", "path": "/metadata/finalizers"}]')
    kubectl("wait", "--for=delete", "configmap/owner", "--timeout=30s")


def test_an_orphan_stays_and_belongs_to_nobody(kubectl: Kubectl) -> None:
    owned(kubectl, "owner", "child")
    kubectl("delete", "configmap", "owner", "--cascade=orphan")
    assert "ownerReferences" not in kubectl.read("cm", "child")["metadata"]


def test_a_finalizer_holds_a_deletion_until_it_is_gone(kubectl: Kubectl) -> None:
    kubectl("create", "configmap", "held")
    kubectl("patch", "cm", "held", "--type=merge", "-p", '{"metadata": {"finalizers": ["example.org/hold"]}}')
    assert "timed out waiting for the condition" in kubectl.refused("delete", "cm", "held", "--timeout=1s")
    first = kubectl.read("cm", "held")["metadata"]["deletionTimestamp"]
    kubectl("delete", "cm", "held", "--now", "--wait=false")
    assert kubectl.read("cm", "held")["metadata"]["deletionTimestamp"] == first
    with kubectl.going_on("delete", "cm", "held") as (process, said):
        eventually(lambda: said)
        kubectl("patch", "cm", "held", "--type=json", "-p", '[{"op": "remove", "path": "/metadata/finalizers"}]')
        assert process.wait(30) == 0
    assert "NotFound" in kubectl.refused("get", "cm", "held")


@pytest.mark.parametrize("options", [("--now",), ("--grace-period=60",), ("--force",), ()])
def test_what_has_no_process_is_gone_at_once_whatever_grace_is_asked_for(
    kubectl: Kubectl, options: tuple[str, ...]
) -> None:
    kubectl("create", "configmap", "one")
    kubectl("run", "one", "--image=x")
    kubectl("delete", "configmap/one", "pod/one", *options, "--timeout=20s")
    assert kubectl("get", "configmap/one", "pod/one", "--ignore-not-found") == ""


def test_a_grace_period_can_only_be_shortened(kubectl: Kubectl) -> None:
    running = '{"spec": {"nodeName": "somewhere"}}'
    kubectl("run", "one", "--image=x", "--overrides", running)

    def grace(*options: str) -> int:
        kubectl("delete", "pod", "one", "--wait=false", *options)
        return int(kubectl.read("pod", "one")["metadata"]["deletionGracePeriodSeconds"])

    assert (grace(), grace("--grace-period=60"), grace("--grace-period=5"), grace()) == (30, 30, 5, 5)
    kubectl("delete", "pod", "one", "--force")
    assert "NotFound" in kubectl.refused("get", "pod", "one")


def test_all_and_selected_are_deleted_together_and_a_namespace_keeps_its_own(kubectl: Kubectl) -> None:
    for name, tier in (("a", "x"), ("b", "x"), ("c", "y")):
        kubectl("create", "configmap", name)
        kubectl("label", "cm", name, f"tier={tier}")
    assert kubectl("delete", "cm", "-l", "tier=x").count("deleted") == 2
    assert '"c" deleted' in kubectl("delete", "cm", "--all")
    kubectl("wait", "--for=create", "cm/kube-root-ca.crt", "--timeout=30s")
    assert kubectl("get", "cm", "-o", "name") == "configmap/kube-root-ca.crt\n"
    assert kubectl("delete", "cm", "none", "--ignore-not-found") == ""
    assert "NotFound" in kubectl.refused("delete", "cm", "none")
