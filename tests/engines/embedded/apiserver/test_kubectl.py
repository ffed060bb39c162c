"""kubectl changes objects: apply from either side, diff, edit, patch, as a learner types them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from .kubectl import DEPLOYMENT, Kubectl

WEB = DEPLOYMENT % (2, "")


def containers(kubectl: Kubectl) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = kubectl.read("deploy", "web")["spec"]["template"]["spec"]["containers"]
    return found


def owners(kubectl: Kubectl, field: str) -> set[str]:
    """Who owns a field of the Deployment's spec."""
    entries = kubectl.read("deploy", "web")["metadata"]["managedFields"]
    return {entry["manager"] for entry in entries if f"f:{field}" in entry["fieldsV1"].get("f:spec", {})}


def editor(kubectl: Kubectl, command: str) -> str:
    """A program that edits as a person would, and keeps what it was last shown."""
    script = kubectl.folder / "editor.sh"
    script.write_text(f'#!/bin/sh\ncp "$1" {kubectl.folder}/shown\nsed -i "{command}" "$1"\n')
    script.chmod(0o700)
    return str(script)


def test_kubectl_applies_gets_patches_and_deletes(kubectl: Kubectl) -> None:
    assert "deployment.apps/web created" in kubectl.apply(WEB)
    assert "unchanged" in kubectl.apply(WEB)
    assert "configured" in kubectl.apply(DEPLOYMENT % (3, ""))
    assert "0/3" in kubectl("get", "deploy")
    assert "scaled" in kubectl("scale", "deploy/web", "--replicas=1")
    assert "labeled" in kubectl("label", "deploy/web", "tier=front")
    assert "web" in kubectl("get", "deploy", "-l", "tier in (front),app=web", "-o", "name")
    kubectl("set", "env", "deploy/web", "A=1")
    assert containers(kubectl)[0]["env"] == [{"name": "A", "value": "1"}]
    assert "deleted" in kubectl("delete", "deploy", "web")
    assert "NotFound" in kubectl.refused("get", "deploy", "web")


def test_what_was_applied_and_is_left_out_is_taken_away_and_what_others_set_stays(kubectl: Kubectl) -> None:
    more = (DEPLOYMENT % (2, ", {name: side, image: x}")).replace("sklearnserver}", "sklearnserver, env: [{name: A}]}")
    kubectl.apply(more.replace("labels: {app: web}", "labels: {app: web, tier: x}", 1))
    kubectl("label", "deploy/web", "by=hand")
    assert kubectl.read("deploy", "web")["metadata"]["labels"] == {"app": "web", "tier": "x", "by": "hand"}
    assert "configured" in kubectl.apply(WEB)
    assert kubectl.read("deploy", "web")["metadata"]["labels"] == {"app": "web", "by": "hand"}
    assert [c["name"] for c in containers(kubectl)] == ["main"] and "env" not in containers(kubectl)[0]


def test_kubectl_server_side_apply(kubectl: Kubectl) -> None:
    assert "serverside-applied" in kubectl.apply(WEB, "--server-side")
    kubectl.apply(DEPLOYMENT % (4, ", {name: more, image: x}"), "--server-side")
    assert kubectl.read("deploy", "web")["spec"]["replicas"] == 4
    assert [c["name"] for c in containers(kubectl)] == ["main", "more"]


def test_a_field_of_another_manager_is_a_conflict_until_it_is_taken_over(kubectl: Kubectl) -> None:
    kubectl.apply(WEB, "--server-side", "--field-manager=ann")
    theirs = ("apply", "--server-side", "--field-manager=bob", "-f", "-")
    said = kubectl.refused(*theirs, stdin=DEPLOYMENT % (5, ""))
    assert 'Apply failed with 1 conflict: conflict with "ann": .spec.replicas' in said and "--force-conflicts" in said
    assert owners(kubectl, "replicas") == {"ann"} and owners(kubectl, "selector") == {"ann"}
    kubectl(*theirs, "--force-conflicts", stdin=DEPLOYMENT % (5, ""))
    assert owners(kubectl, "replicas") == {"bob"} and owners(kubectl, "selector") == {"ann", "bob"}


def test_several_conflicts_are_listed_by_manager(kubectl: Kubectl) -> None:
    kubectl.apply(WEB, "--server-side", "--field-manager=ann")
    kubectl("scale", "deploy/web", "--replicas=3")
    other = (DEPLOYMENT % (5, "")).replace("kserve/sklearnserver", "other")
    said = kubectl.refused("apply", "--server-side", "--field-manager=bob", "-f", "-", stdin=other)
    assert "Apply failed with 2 conflicts: conflicts with " in said
    assert 'conflicts with "ann":\n- .spec.template.spec.containers[name="main"].image' in said
    assert 'conflicts with "kubectl" with subresource "scale" using apps/v1:\n- .spec.replicas' in said


def test_one_may_go_over_from_client_side_to_server_side_apply(kubectl: Kubectl) -> None:
    kubectl.apply(WEB)
    assert owners(kubectl, "replicas") == {"kubectl-client-side-apply"}
    assert "serverside-applied" in kubectl.apply(WEB, "--server-side")
    assert owners(kubectl, "replicas") == {"kubectl"}
    kubectl.apply(WEB.replace("  replicas: 2\n", ""), "--server-side")
    assert kubectl.read("deploy", "web")["spec"]["replicas"] == 1  # nobody's any more: the default


@pytest.mark.parametrize("side", [(), ("--server-side",)])
def test_diff_says_what_would_change_and_changes_nothing(kubectl: Kubectl, side: tuple[str, ...]) -> None:
    code, said = kubectl.run("diff", *side, "-f", "-", stdin=WEB)
    assert code == 1 and "+  replicas: 2" in said
    assert "NotFound" in kubectl.refused("get", "deploy", "web")
    kubectl.apply(WEB, *side)
    assert kubectl.run("diff", *side, "-f", "-", stdin=WEB) == (0, "")
    before = kubectl.read("deploy", "web")
    code, said = kubectl.run("diff", *side, "-f", "-", stdin=DEPLOYMENT % (7, ""))
    assert code == 1 and "-  replicas: 2\n+  replicas: 7" in said
    assert kubectl.read("deploy", "web") == before


def test_edit_writes_what_the_editor_left(kubectl: Kubectl) -> None:
    kubectl.apply(WEB)
    change = editor(kubectl, "s/replicas: 2/replicas: 5/")
    assert "deployment.apps/web edited" in kubectl("edit", "deploy", "web", KUBE_EDITOR=change)
    assert kubectl.read("deploy", "web")["spec"]["replicas"] == 5
    assert "no changes made" in kubectl("edit", "deploy", "web", KUBE_EDITOR=change)


def test_edit_shows_again_what_is_wrong_with_a_reason(kubectl: Kubectl) -> None:
    kubectl.apply(WEB)
    said = kubectl.refused("edit", "deploy", "web", KUBE_EDITOR=editor(kubectl, "s/replicas: 2/replicas: five/"))
    assert 'deployments.apps "web" is invalid' in said
    assert '# * spec.replicas: Invalid value: "string"' in (kubectl.folder / "shown").read_text()
    assert kubectl.read("deploy", "web")["spec"]["replicas"] == 2


@pytest.mark.parametrize(
    ("kind", "patch", "names"),
    [
        ("strategic", {"spec": {"template": {"spec": {"containers": [{"name": "b", "image": "y"}]}}}}, ["b", "main"]),
        ("merge", {"spec": {"template": {"spec": {"containers": [{"name": "b", "image": "y"}]}}}}, ["b"]),
        ("json", [{"op": "add", "path": "/spec/template/spec/containers/-", "value": {"name": "b"}}], ["b", "main"]),
    ],
)
def test_each_type_of_patch_does_what_it_is_for(kubectl: Kubectl, kind: str, patch: Any, names: list[str]) -> None:
    kubectl.apply(WEB)
    assert "patched" in kubectl("patch", "deploy", "web", f"--type={kind}", "-p", json.dumps(patch))
    assert sorted(c["name"] for c in containers(kubectl)) == names


def test_a_strategic_patch_takes_an_item_away_by_its_key(kubectl: Kubectl) -> None:
    kubectl.apply(DEPLOYMENT % (2, ", {name: side, image: x}"))
    gone = {"spec": {"template": {"spec": {"containers": [{"name": "side", "$patch": "delete"}]}}}}
    kubectl("patch", "deploy", "web", "-p", json.dumps(gone))
    assert [c["name"] for c in containers(kubectl)] == ["main"]
    assert "(no change)" in kubectl("patch", "deploy", "web", "-p", '{"spec": {"replicas": 2}}')


def test_a_status_is_patched_through_its_subresource_only(kubectl: Kubectl) -> None:
    kubectl.apply(WEB)
    patch = ("patch", "deploy", "web", "--type=merge", "-p", '{"spec": {"replicas": 9}, "status": {"replicas": 7}}')
    kubectl(*patch, "--subresource=status")
    stored = kubectl.read("deploy", "web")
    assert (stored["spec"]["replicas"], stored["status"]["replicas"]) == (2, 7)
    kubectl("patch", "deploy", "web", "--type=merge", "-p", '{"spec": {"replicas": 3}, "status": {"replicas": 8}}')
    stored = kubectl.read("deploy", "web")
    assert (stored["spec"]["replicas"], stored["status"]["replicas"]) == (3, 7)


def test_kubectl_names_an_unknown_field(kubectl: Kubectl) -> None:
    said = kubectl.refused("apply", "-f", "-", stdin=WEB.replace("replicas:", "replica:"))
    assert "spec.replica" in said
    assert "NotFound" in kubectl.refused("get", "deploy", "web")


def test_kubectl_warns_who_writes_what_has_no_effect_and_not_who_reads_it(kubectl: Kubectl) -> None:
    idle = WEB.replace("spec: {containers:", "spec: {hostNetwork: true, containers:")
    assert "Warning: " in kubectl.apply(idle)
    assert "Warning: " not in kubectl("get", "deploy", "web") + kubectl("describe", "deploy", "web")


def test_kubectl_dry_run_stores_nothing(kubectl: Kubectl) -> None:
    kubectl.apply(WEB, "--dry-run=server")
    assert "NotFound" in kubectl.refused("get", "deploy", "web")


def test_replace_needs_what_is_there_and_create_what_is_not(kubectl: Kubectl) -> None:
    assert "NotFound" in kubectl.refused("replace", "-f", "-", stdin=WEB)
    assert "created" in kubectl("create", "-f", "-", stdin=WEB)
    assert "AlreadyExists" in kubectl.refused("create", "-f", "-", stdin=WEB)
    assert "replaced" in kubectl("replace", "-f", "-", stdin=DEPLOYMENT % (6, ""))
    first = kubectl.read("deploy", "web")
    assert first["spec"]["replicas"] == 6
    assert "replaced" in kubectl("replace", "--force", "-f", "-", stdin=WEB)
    assert kubectl.read("deploy", "web")["metadata"]["uid"] != first["metadata"]["uid"]
