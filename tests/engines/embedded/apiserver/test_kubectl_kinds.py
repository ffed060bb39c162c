"""What kubectl finds out about the server: versions, resources, schemas; kinds of a user's own among them."""

from __future__ import annotations

import json

import pytest

from .kubectl import Kubectl

SCHEMA = {
    "type": "object",
    "description": "What floats.",
    "properties": {
        "spec": {
            "type": "object",
            "required": ["crew"],
            "properties": {
                "crew": {"type": "integer", "minimum": 1, "description": "How many sail."},
                "hull": {"type": "string", "default": "wood"},
            },
        },
        "status": {"type": "object", "properties": {"crew": {"type": "integer"}}},
    },
}
COLUMNS = [
    {"name": "Crew", "type": "integer", "jsonPath": ".spec.crew"},
    {"name": "Hull", "type": "string", "jsonPath": ".spec.hull", "priority": 1},
]
SCALE = {"specReplicasPath": ".spec.crew", "statusReplicasPath": ".status.crew"}


@pytest.fixture
def group(kubectl: Kubectl) -> str:
    """The group of a user's own kind Boat, which no other test has."""
    group = f"{kubectl.namespace[-8:]}.example.org"
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": SCHEMA}}
    version |= {"subresources": {"status": {}, "scale": SCALE}, "additionalPrinterColumns": COLUMNS}
    names = {"kind": "Boat", "plural": "boats", "singular": "boat", "shortNames": ["bt"], "categories": ["fleet"]}
    spec = {"group": group, "scope": "Namespaced", "names": names, "versions": [version]}
    kind = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition"}
    kubectl.apply(json.dumps(kind | {"metadata": {"name": f"boats.{group}"}, "spec": spec}))
    kubectl("wait", "--for=condition=Established", f"crd/boats.{group}", "--timeout=30s")
    return group


def boat(group: str, **spec: object) -> str:
    return json.dumps({"apiVersion": f"{group}/v1", "kind": "Boat", "metadata": {"name": "one"}, "spec": spec})


def test_kubectl_explains_and_lists_what_is_served(kubectl: Kubectl) -> None:
    assert "replicas" in kubectl("explain", "deployment.spec")
    assert "deployments" in kubectl("api-resources", "--api-group=apps", "-o", "name")
    assert "apps/v1" in kubectl("api-versions")


def test_a_schema_is_explained_down_to_its_leaves(kubectl: Kubectl) -> None:
    whole = kubectl("explain", "pods", "--recursive")
    for line in ("  spec\t<Object> -required-\n", "      image\t<string>\n", "    annotations\t<map[string]string>\n"):
        assert line in whole
    assert 'field "nothing" does not exist' in kubectl.refused("explain", "pods.spec.nothing")


def test_resources_are_listed_by_scope_verb_and_category(kubectl: Kubectl) -> None:
    namespaced = kubectl("api-resources", "--namespaced=true", "-o", "name").split()
    cluster = kubectl("api-resources", "--namespaced=false", "-o", "name").split()
    assert "pods" in namespaced and "namespaces" in cluster and not set(namespaced) & set(cluster)
    listable = kubectl("api-resources", "--verbs=list", "-o", "name").split()
    assert "pods" in listable and "subjectaccessreviews.authorization.k8s.io" not in listable
    assert "deployments.apps" in kubectl("api-resources", "--categories=all", "-o", "name").split()


def test_the_server_says_what_it_is(kubectl: Kubectl) -> None:
    assert "Kubernetes control plane is running at https://127.0.0.1" in kubectl("cluster-info")
    assert "Server Version: v1.34.0" in kubectl("version")
    assert json.loads(kubectl("get", "--raw", "/version"))["major"] == "1"
    assert "[+]store ok" in kubectl("get", "--raw", "/readyz?verbose")
    assert kubectl.namespace in kubectl("get", "--raw", f"/api/v1/namespaces/{kubectl.namespace}")


def test_a_users_own_kind_is_explained_listed_and_found_by_its_short_name(kubectl: Kubectl, group: str) -> None:
    version = f"--api-version={group}/v1"
    whole = kubectl("explain", "boats", "--recursive", version)
    assert "What floats." in whole and "    crew\t<integer> -required-\n" in whole
    assert "How many sail." in kubectl("explain", "boats.spec.crew", version)
    assert kubectl("api-resources", f"--api-group={group}", "--no-headers").split() == [
        *("boats", "bt", f"{group}/v1", "true", "Boat"),
    ]
    assert f"{group}/v1" in kubectl("api-versions").split()
    assert "created" in kubectl.apply(boat(group, crew=3))
    assert kubectl("get", f"bt.{group}", "--no-headers").split() == ["one", "3"]
    assert kubectl("get", f"boats.v1.{group}", "-o", "wide").split() == ["NAME", "CREW", "HULL", "one", "3", "wood"]


def test_a_users_own_kind_takes_every_verb(kubectl: Kubectl, group: str) -> None:
    name = f"boat.{group}/one"
    assert "created" in kubectl.apply(boat(group, crew=3, hull="steel"))
    assert "unchanged" in kubectl.apply(boat(group, crew=3, hull="steel"))
    assert "configured" in kubectl.apply(boat(group, crew=4))
    assert kubectl.read(name)["spec"] == {"crew": 4, "hull": "wood"}
    assert "scaled" in kubectl("scale", name, "--replicas=5")
    kubectl("patch", name, "--type=merge", "-p", '{"spec": {"hull": "oak"}}')
    assert kubectl.read(name)["spec"] == {"crew": 5, "hull": "oak"}
    assert "Hull:  oak" in kubectl("describe", name)
    assert "is not supported by" in kubectl.refused("patch", name, "-p", "{}")  # a strategic merge patch
    assert "spec.crew: Invalid value: 0" in kubectl.refused(
        "patch", name, "--type=merge", "-p", '{"spec": {"crew": 0}}'
    )
    assert "unknown field" in kubectl.refused("apply", "-f", "-", stdin=boat(group, crew=4, sails=2))
    assert "deleted" in kubectl("delete", name)


def test_a_definition_takes_its_objects_with_it(kubectl: Kubectl, group: str) -> None:
    kubectl.apply(boat(group, crew=3))
    kubectl("delete", "crd", f"boats.{group}")
    said = kubectl.refused("get", f"boats.{group}")
    assert "could not find the requested resource" in said or "doesn't have a resource type" in said
