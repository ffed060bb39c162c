"""A user's own CustomResourceDefinition: served from the moment it is there, with all its schema says, gone with it."""

from __future__ import annotations

import copy
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from iiab_lab.kube import Kube

from .conftest import MERGE, Running, eventually, refusal
from .own_kind import CRDS, SCHEMA, Kind, Object


@pytest.fixture
def kind(kube: Kube, space: str) -> Iterator[Kind]:
    made = Kind(kube, space)
    yield made
    made.forget()


def test_a_definition_is_established_and_discovered(kind: Kind) -> None:
    kind.define()
    eventually(lambda: kind.conditions().get("Established") == ("True", "InitialNamesAccepted"))
    assert kind.conditions()["NamesAccepted"] == ("True", "NoConflicts")
    status = kind.found()["status"]
    assert status["acceptedNames"] == kind.names | {"singular": "gadget", "listKind": "GadgetList"}
    assert status["storedVersions"] == ["v1"]
    assert kind.group in [g["name"] for g in kind.kube.raw("GET", "/apis").json()["groups"]]
    (entry,) = kind.kube.raw("GET", f"/apis/{kind.group}/v1").json()["resources"]
    assert (entry["name"], entry["kind"], entry["shortNames"]) == ("gadgets", "Gadget", ["gd"])
    assert entry["categories"] == ["all", "toys"] and entry["namespaced"] and entry["singularName"] == "gadget"
    schema = kind.kube.raw("GET", f"/openapi/v3/apis/{kind.group}/v1").text
    assert "Gadget" in schema and "amounts" in schema


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({}, "spec.size: Required value"),
        ({"size": 0}, "spec.size: Invalid value: 0: spec.size in body should be greater than or equal to 1"),
        ({"size": 10}, "spec.size: Invalid value: 10: spec.size in body should be less than or equal to 9"),
        ({"size": "1"}, 'spec.size: Invalid value: "string": spec.size in body must be of type integer: "string"'),
        ({"size": 1.5}, "spec.size"),
        ({"size": 1, "color": "green"}, 'spec.color: Unsupported value: "green": supported values: "red", "blue"'),
        (
            {"size": 1, "name": "UPPER"},
            "spec.name: Invalid value: \"UPPER\": spec.name in body should match '^[a-z]+$'",
        ),
        ({"size": 1, "name": "toolong"}, "spec.name: Too long: may not be more than 5 bytes"),
        ({"size": 1, "parts": [{"id": "a"}, {}]}, "spec.parts[1].id: Required value"),
        ({"size": 1, "parts": [{"id": c} for c in "abcd"]}, "spec.parts: Too many: 4: must have at most 3 items"),
        ({"size": 1, "amounts": {"a": "b"}}, "spec.amounts.a"),
        ({"size": 1, "port": True}, "spec.port"),
        ({"size": 1, "free": []}, "spec.free"),
    ],
)
def test_what_breaks_the_schema_is_invalid_by_path(kind: Kind, spec: Object, said: str) -> None:
    kind.define()
    code, reason, message = refusal(lambda: kind.make("x", spec))
    assert (code, reason) == (422, "Invalid")
    assert message.startswith(f'Gadget.{kind.group} "x" is invalid: ') and said in message


def test_defaults_are_filled_in_at_every_depth(kind: Kind) -> None:
    kind.define()
    made = kind.make("x", {"size": 2, "parts": [{"id": "a"}, {"id": "b", "on": False}], "port": "http"})
    assert made["spec"] == {
        "size": 2,
        "color": "red",
        "replicas": 1,
        "parts": [{"id": "a", "on": True}, {"id": "b", "on": False}],
        "port": "http",
    }


def test_unknown_fields_are_pruned_but_where_they_are_to_be_kept(kind: Kind) -> None:
    kind.define()
    free = {"any": {"thing": [1, {"x": None}]}}
    spec = {"size": 1, "unknown": 1, "free": free, "parts": [{"id": "a", "odd": 1}]}
    made = kind.make("x", spec, "?fieldValidation=Ignore", odd={"a": 1})
    assert "unknown" not in made["spec"] and "odd" not in made and made["spec"]["parts"] == [{"id": "a", "on": True}]
    assert made["spec"]["free"]["any"]["thing"][0] == 1
    patch = {"spec": {"free": {"more": "1"}}}
    patched = kind.kube.raw("PATCH", f"{kind.path()}/x", json=patch, headers=MERGE).json()
    assert patched["spec"]["free"]["more"] == "1" and "any" in patched["spec"]["free"]


def test_a_schema_may_keep_everything(kind: Kind) -> None:
    open_schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    kind.define(versions=[kind.version("v1", open_schema)])
    made = kind.make("x", {"anything": {"at": ["all"]}}, extra=1)
    assert made["spec"] == {"anything": {"at": ["all"]}} and made["extra"] == 1


@pytest.mark.parametrize(("mode", "warned"), [("", True), ("Warn", True), ("Ignore", False)])
def test_an_unknown_field_is_warned_of_unless_asked_otherwise(kind: Kind, mode: str, warned: bool) -> None:
    kind.define()
    body = {"metadata": {"name": "x"}, "spec": {"size": 1, "unknown": 1}}
    answer = kind.kube.raw("POST", f"{kind.path()}?fieldValidation={mode}", json=body)
    assert "unknown" not in answer.json()["spec"]
    assert (answer.headers.get("Warning") == '299 - "unknown field \\"spec.unknown\\""') is warned
    code, reason, message = refusal(lambda: kind.make("y", body["spec"], "?fieldValidation=Strict"))  # type: ignore[arg-type]
    assert (code, reason) == (400, "BadRequest") and 'strict decoding error: unknown field "spec.unknown"' in message
    assert refusal(lambda: kind.make("y", None, "?fieldValidation=Perhaps"))[0] in (400, 422)


def test_printer_columns_are_the_table(kind: Kind) -> None:
    columns = [
        {"name": "Size", "type": "integer", "jsonPath": ".spec.size"},
        {"name": "First", "type": "string", "jsonPath": ".spec.parts[0].id"},
        {"name": "Hidden", "type": "string", "jsonPath": ".spec.color", "priority": 1, "description": "what color"},
        {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
    ]
    kind.define(versions=[kind.version("v1", additionalPrinterColumns=columns)])
    kind.make("x", {"size": 7, "parts": [{"id": "a"}]})
    accept = {"Accept": "application/json;as=Table;g=meta.k8s.io;v=v1"}
    table = kind.kube.raw("GET", kind.path(), headers=accept).json()
    assert [c["name"] for c in table["columnDefinitions"]] == ["Name", "Size", "First", "Hidden", "Age"]
    assert [c["priority"] for c in table["columnDefinitions"]] == [0, 0, 0, 1, 0]
    assert table["rows"][0]["cells"][:4] == ["x", 7, "a", "red"]


def test_status_and_scale_are_subresources_where_the_definition_has_them(kind: Kind) -> None:
    scale = {
        "specReplicasPath": ".spec.replicas",
        "statusReplicasPath": ".status.replicas",
        "labelSelectorPath": ".status.selector",
    }
    kind.define(versions=[kind.version("v1", subresources={"status": {}, "scale": scale})])
    assert "status" not in kind.make("x", None, status={"phase": "Odd"})
    at = f"{kind.path()}/x"
    after = kind.kube.raw("PATCH", at, json={"status": {"phase": "Odd"}}, headers=MERGE).json()
    assert "status" not in after and after["metadata"]["generation"] == 1
    state = {"status": {"replicas": 2, "selector": "a=b"}, "spec": {"size": 9}}
    after = kind.kube.raw("PATCH", f"{at}/status", json=state, headers=MERGE).json()
    assert after["status"] == state["status"] and after["spec"]["size"] == 1
    assert after["metadata"]["generation"] == 1
    shown = kind.kube.raw("GET", f"{at}/scale").json()
    assert (shown["kind"], shown["spec"], shown["status"]) == (
        "Scale",
        {"replicas": 1},
        {"replicas": 2, "selector": "a=b"},
    )
    kind.kube.raw("PATCH", f"{at}/scale", json={"spec": {"replicas": 4}}, headers=MERGE)
    after = kind.kube.raw("GET", at).json()
    assert after["spec"]["replicas"] == 4 and after["metadata"]["generation"] == 2


def test_without_subresources_status_is_a_field_like_any_other(kind: Kind) -> None:
    kind.define()
    assert kind.make("x", None, status={"phase": "Odd"})["status"] == {"phase": "Odd"}
    for name in ("status", "scale"):
        assert refusal(lambda name=name: kind.kube.raw("GET", f"{kind.path()}/x/{name}"))[0] == 404


def test_fields_can_be_selected_that_the_definition_names(kind: Kind) -> None:
    kind.define(versions=[kind.version("v1", selectableFields=[{"jsonPath": ".spec.color"}])])
    for name, color in (("a", "red"), ("b", "blue"), ("c", "blue")):
        kind.make(name, {"size": 1, "color": color})
    listed = lambda query: [  # noqa: E731
        i["metadata"]["name"] for i in kind.kube.raw("GET", f"{kind.path()}?fieldSelector={query}").json()["items"]
    ]
    assert listed("spec.color=blue") == ["b", "c"] and listed("spec.color!=blue") == ["a"]
    assert listed("spec.color=blue,metadata.name=c") == ["c"]
    assert refusal(lambda: listed("spec.size=1"))[0] == 400


def test_versions_are_views_of_one_object(kind: Kind) -> None:
    kind.define(versions=[kind.version("v1"), kind.version("v2", storage=False)])
    kind.make("x")
    second = kind.kube.raw("GET", f"{kind.path('v2')}/x").json()
    assert second["apiVersion"] == f"{kind.group}/v2" and second["spec"]["size"] == 1
    kind.kube.raw("PATCH", f"{kind.path('v2')}/x", json={"spec": {"size": 5}}, headers=MERGE)
    assert kind.kube.raw("GET", f"{kind.path()}/x").json()["spec"]["size"] == 5
    meta = {"name": "x", "namespace": kind.space}
    kind.kube.apply({"apiVersion": f"{kind.group}/v2", "kind": "Gadget", "metadata": meta, "spec": {"size": 6}})
    kind.kube.raw("PUT", f"{kind.path('v2')}/x", json=second | {"metadata": {"name": "x"}, "spec": {"size": 7}})
    assert kind.kube.raw("GET", f"{kind.path()}/x").json()["spec"]["size"] == 7
    listed = kind.kube.raw("GET", kind.path("v2")).json()
    assert {item["apiVersion"] for item in listed["items"]} == {f"{kind.group}/v2"}
    group = kind.kube.raw("GET", f"/apis/{kind.group}").json()
    assert {v["version"] for v in group["versions"]} == {"v1", "v2"}
    assert refusal(lambda: kind.kube.raw("GET", kind.path("v3")))[0] == 404


def test_objects_stay_when_another_version_is_stored(kind: Kind) -> None:
    kind.define(versions=[kind.version("v1"), kind.version("v2", storage=False)])
    old = kind.make("x")
    swapped = [kind.version("v1", storage=False), kind.version("v2")]
    kind.kube.raw("PATCH", kind.at, json={"spec": {"versions": swapped}}, headers=MERGE)
    kind.make("y")
    for version in ("v1", "v2"):
        items = kind.kube.raw("GET", kind.path(version)).json()["items"]
        assert [i["metadata"]["name"] for i in items] == ["x", "y"]
        assert items[0]["metadata"]["uid"] == old["metadata"]["uid"]
    eventually(lambda: kind.found()["status"]["storedVersions"] == ["v1", "v2"])
    patch = {"spec": {"versions": [kind.version("v2")]}}
    code, _, message = refusal(lambda: kind.kube.raw("PATCH", kind.at, json=patch, headers=MERGE))
    assert code == 422 and 'status.storedVersions[0]: Invalid value: "v1": missing from spec.versions' in message
    kind.kube.raw("DELETE", f"{kind.path('v2')}/x")
    assert [i["metadata"]["name"] for i in kind.kube.raw("GET", kind.path()).json()["items"]] == ["y"]


def test_a_version_that_is_not_served_is_not_there(kind: Kind) -> None:
    kind.define(versions=[kind.version("v1"), kind.version("v2", storage=False, served=False)])
    assert refusal(lambda: kind.kube.raw("GET", kind.path("v2")))[0] == 404
    kind.make("x")
    versions = [kind.version("v1", served=False), kind.version("v2", storage=False)]
    kind.kube.raw("PATCH", kind.at, json={"spec": {"versions": versions}}, headers=MERGE)
    assert refusal(lambda: kind.kube.raw("GET", kind.path()))[0] == 404
    assert kind.kube.raw("GET", f"{kind.path('v2')}/x").json()["spec"]["size"] == 1


def test_a_changed_schema_holds_from_the_next_write_on(kind: Kind) -> None:
    kind.define()
    kind.make("x", {"size": 9})
    narrow = copy.deepcopy(SCHEMA)
    narrow["properties"]["spec"]["properties"]["size"]["maximum"] = 5
    kind.kube.raw("PATCH", kind.at, json={"spec": {"versions": [kind.version("v1", narrow)]}}, headers=MERGE)
    assert refusal(lambda: kind.make("y", {"size": 6}))[0] == 422
    assert kind.kube.raw("GET", f"{kind.path()}/x").json()["spec"]["size"] == 9


def with_schema(**more: Any) -> list[Object]:
    schema = {"type": "object", "properties": {"spec": {"type": "object"} | more}}
    return [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}]


VERSION = {"name": "v1", "served": True, "storage": True}
SPEC = "spec.versions[0].schema.openAPIV3Schema.properties[spec]"


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        (
            {"conversion": {"strategy": "Webhook", "webhook": {"conversionReviewVersions": ["v1"]}}},
            "spec.conversion.strategy",
        ),
        ({"versions": with_schema(**{"x-kubernetes-validations": [{"rule": "true"}]})}, "x-kubernetes-validations"),
        ({"versions": with_schema(properties={"a": {}})}, f"{SPEC}.properties[a].type: Required value"),
        ({"versions": with_schema(**{"$ref": "#/x"})}, "$ref"),
        ({"versions": with_schema(properties={"a": {"type": "any"}})}, "openAPIV3Schema"),
        ({"versions": with_schema(properties={"a": {"type": "string", "pattern": "("}})}, "openAPIV3Schema"),
        (
            {"versions": with_schema(properties={"a": {"type": "string", "default": 1}})},
            f"{SPEC}.properties[a].default",
        ),
        ({"versions": [VERSION]}, "spec.versions[0].schema.openAPIV3Schema: Required value"),
        ({"versions": [VERSION | {"schema": {"openAPIV3Schema": {"type": "string"}}}]}, "must be object at the root"),
        ({"versions": []}, "spec.versions"),
        ({"versions": with_schema() + with_schema()}, "spec.versions"),
        ({"versions": [with_schema()[0] | {"storage": False}]}, "must have exactly one version marked as storage"),
        ({"scope": "Galaxy"}, "spec.scope"),
        ({"group": "apps"}, "spec.group"),
        ({"names": {"kind": "Gadget", "plural": "widgets"}}, "metadata.name"),
    ],
)
def test_a_definition_that_cannot_be_served_is_refused_by_field(kind: Kind, spec: Object, said: str) -> None:
    code, reason, message = refusal(lambda: kind.define(**spec))
    assert (code, reason) == (422, "Invalid") and said in message


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        ({"kind": "Gadget", "plural": "others", "listKind": "OtherList"}, "KindConflict"),
        ({"kind": "Other", "plural": "others", "shortNames": ["gd"]}, "ShortNamesConflict"),
        ({"kind": "Other", "plural": "others", "singular": "gadget"}, "SingularConflict"),
        ({"kind": "Other", "plural": "others", "listKind": "GadgetList"}, "ListKindConflict"),
        ({"kind": "Other", "plural": "gd"}, "PluralConflict"),
    ],
)
def test_names_that_are_taken_are_not_accepted_until_they_are_free(kind: Kind, names: Object, reason: str) -> None:
    kind.define()
    kind.make("x")
    plural = names["plural"]
    second = kind.definition | {"metadata": {"name": f"{plural}.{kind.group}"}}
    kind.kube.raw("POST", CRDS, json=second | {"spec": kind.definition["spec"] | {"names": names}})
    first_at = kind.at
    conditions = lambda: {  # noqa: E731
        c["type"]: (c["status"], c["reason"])
        for c in (kind.kube.raw("GET", f"{CRDS}/{plural}.{kind.group}").json().get("status") or {}).get(
            "conditions", ()
        )
    }
    eventually(lambda: conditions().get("NamesAccepted") == ("False", reason))
    assert conditions()["Established"] == ("False", "NotAccepted")
    other = f"/apis/{kind.group}/v1/namespaces/{kind.space}/{plural}"
    assert refusal(lambda: kind.kube.raw("GET", other))[0] == 404
    assert kind.kube.raw("GET", f"{kind.path()}/x").json()["kind"] == "Gadget"
    kind.kube.raw("DELETE", first_at)
    eventually(lambda: conditions().get("Established") == ("True", "InitialNamesAccepted"))
    assert kind.kube.raw("GET", other).json()["items"] == []


def test_with_a_definition_go_its_objects_its_paths_and_its_watches(kind: Kind, server: Running) -> None:
    kind.define()
    kind.make("x")
    kind.make("y")
    lines: list[Object] = []
    watcher = Kube(server.kubeconfig)
    with watcher.raw("GET", f"{kind.path()}?watch=1", stream=True, timeout=60) as stream:
        reader = threading.Thread(target=lambda: lines.extend(json.loads(line) for line in stream.iter_lines()))
        reader.start()
        eventually(lambda: len(lines) == 2)
        kind.kube.raw("DELETE", kind.at)
        reader.join(20)
    assert not reader.is_alive(), "the watch ends with the kind"
    assert [line["type"] for line in lines[:4]] == ["ADDED", "ADDED", "DELETED", "DELETED"]
    eventually(
        lambda: kind.kube.get("apiextensions.k8s.io/v1", "CustomResourceDefinition", f"gadgets.{kind.group}") is None
    )
    assert refusal(lambda: kind.kube.raw("GET", kind.path()))[0] == 404
    assert kind.group not in kind.kube.raw("GET", "/apis").text
    kind.define()
    assert kind.kube.raw("GET", kind.path()).json()["items"] == []


def test_a_definition_waits_for_an_object_that_is_held(kind: Kind) -> None:
    kind.define()
    body = {"metadata": {"name": "x", "finalizers": ["test/hold"]}, "spec": {"size": 1}}
    kind.kube.raw("POST", kind.path(), json=body)
    kind.kube.raw("DELETE", kind.at)
    eventually(lambda: kind.kube.raw("GET", f"{kind.path()}/x").json()["metadata"].get("deletionTimestamp"))
    eventually(lambda: kind.conditions().get("Terminating") == ("True", "InstanceDeletionInProgress"))
    code, _, message = refusal(lambda: kind.make("new"))
    assert code == 405 and "create not allowed while custom resource definition is terminating" in message
    kind.kube.raw("PATCH", f"{kind.path()}/x", json={"metadata": {"finalizers": None}}, headers=MERGE)
    eventually(
        lambda: kind.kube.get("apiextensions.k8s.io/v1", "CustomResourceDefinition", f"gadgets.{kind.group}") is None
    )


OURS = f"{CRDS}/inferenceservices.serving.kserve.io"


def test_the_definitions_of_our_own_kinds_are_shown_and_never_changed(kube: Kube) -> None:
    before = kube.raw("GET", OURS).json()
    patch = {"metadata": {"labels": {"a": "b"}}}
    for call in (
        lambda: kube.raw("DELETE", OURS),
        lambda: kube.raw("PATCH", OURS, json=patch, headers=MERGE),
        lambda: kube.raw("PUT", OURS, json=before | {"metadata": before["metadata"] | {"labels": {"a": "b"}}}),
        lambda: kube.raw("DELETE", CRDS),
    ):
        code, reason, message = refusal(call)
        assert (code, reason) == (403, "Forbidden") and "serves this kind" in message
    assert kube.raw("GET", OURS).json() == before
