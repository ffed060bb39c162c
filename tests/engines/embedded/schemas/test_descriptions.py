"""Every field that a user writes says what it is for, in one sentence, wherever its schema is shown."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from iiab_lab.engines.embedded.store import descriptions
from iiab_lab.engines.embedded.store.registry import SCHEMAS, Registry, Resource
from iiab_lab.kube import Kube

from ..apiserver.conftest import Running
from ..apiserver.kubectl import KUBECTL, Kubectl

FILE = SCHEMAS / "_descriptions.yaml"
SAID: dict[str, dict[str, str]] = yaml.safe_load(FILE.read_text())
SERVED = list(Registry.load())
LEAST = "Fewest replicas; 1 by default;"


def each_served(test: Any) -> Any:
    return pytest.mark.parametrize("resource", SERVED, ids=lambda r: f"{r.kind.resource}/{r.kind.version}")(test)


def written() -> Iterator[tuple[str, Any]]:
    """($part or kind, its schema) as the files have it, in their order: no part is put in its place."""
    (parts,) = yaml.safe_load_all((SCHEMAS / "_parts.yaml").read_text())
    yield from ((f"${name}", part) for name, part in parts.items())
    for file in sorted(set(SCHEMAS.glob("*.yaml")) - set(SCHEMAS.glob("_*"))):
        for definition in filter(None, yaml.safe_load_all(file.read_text())):
            yield descriptions.kind(definition), definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]


def walk(schema: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """(path, schema) of the schema itself, as "", and of each of its fields."""
    yield path, schema
    for name, child in descriptions.fields(schema).items():
        yield from walk(child, f"{path}.{name}" if path else name)


def undescribed(schema: Any) -> Any:
    """Without the annotation; a field of that name is no text, and stays."""
    if isinstance(schema, list):
        return [undescribed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {name: child for name, child in schema.items() if name != "description" or not isinstance(child, str)}
    return {name: undescribed(child) for name, child in kept.items()}


WRITTEN = dict(written())


def test_the_file_follows_the_order_of_the_schema_files() -> None:
    assert list(SAID) == [name for name in WRITTEN if name in SAID]


@pytest.mark.parametrize("name", SAID)
def test_no_sentence_has_outlived_its_field(name: str) -> None:
    assert list(SAID[name]) == [path for path, _ in walk(WRITTEN[name]) if path in SAID[name]]


@each_served
def test_every_field_a_user_writes_says_what_it_is_for(resource: Resource) -> None:
    silent = [path for path, schema in walk(resource.schema) if not isinstance(schema.get("description"), str)]
    assert [path for path in silent if path.partition(".")[0] != "status"] == []


@each_served
def test_a_field_without_effect_says_so(resource: Resource) -> None:
    idle = {path: schema["description"] for path, schema in walk(resource.schema) if schema.get("x-iiab-no-effect")}
    assert {path: said for path, said in idle.items() if "no effect on this engine" not in said} == {}


@pytest.mark.parametrize("name", SAID)
def test_each_says_it_in_one_short_sentence(name: str) -> None:
    long = {path: said for path, said in SAID[name].items() if len(said) > 160 or "\n" in said}
    open_ended = {path: said for path, said in SAID[name].items() if not said.endswith(".") or ". " in said}
    assert (long, open_ended) == ({}, {})


def test_the_file_reads_without_scrolling() -> None:
    assert [line for line in FILE.read_text().splitlines() if len(line) > 140] == []


def test_a_description_changes_nothing_that_is_validated(tmp_path: Path) -> None:
    bare = shutil.copytree(SCHEMAS, tmp_path / "schemas")
    (bare / FILE.name).write_text("Pod: {}")
    assert {r.kind: undescribed(r.schema) for r in SERVED} == {r.kind: r.schema for r in Registry.load(bare)}


def test_a_field_named_description_is_a_field() -> None:
    classes = next(r for r in SERVED if r.kind.resource == "gatewayclasses.gateway.networking.k8s.io")
    spec = classes.schema["properties"]["spec"]
    said = SAID["GatewayClass.gateway.networking.k8s.io"]
    assert spec["description"] == said["spec"]
    assert spec["properties"]["description"] == {"type": "string", "description": said["spec.description"]}


def test_a_kind_speaks_for_itself_where_it_uses_a_part() -> None:
    deployment = next(r for r in SERVED if r.kind.resource == "deployments.apps").schema
    shown = [descriptions.field(deployment, f"spec.selector{path}") for path in ("", ".matchExpressions.key")]
    said = [SAID["Deployment.apps"]["spec.selector"], SAID["$LabelSelector"]["matchExpressions.key"]]
    assert [schema and schema["description"] for schema in shown] == said


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with Running(tmp_path_factory.mktemp("explained")) as running:
        yield running


def predictor(schema: Any) -> Any:
    return descriptions.field(schema, "spec.predictor.minReplicas")


def test_openapi_and_the_served_definition_show_it(server: Running) -> None:
    kube, name = Kube(server.kubeconfig), "io.kserve.serving.v1beta1.InferenceService"
    v3 = kube.raw("GET", "/openapi/v3/apis/serving.kserve.io/v1beta1").json()["components"]["schemas"][name]
    v2 = kube.raw("GET", "/openapi/v2").json()["definitions"][name]
    found = kube.get("apiextensions.k8s.io/v1", "CustomResourceDefinition", "inferenceservices.serving.kserve.io")
    assert found is not None
    shown = [v2, v3, found["spec"]["versions"][0]["schema"]["openAPIV3Schema"]]
    assert {schema["description"] for schema in shown} == {SAID["InferenceService.serving.kserve.io"][""]}
    assert all(predictor(schema)["description"].startswith(LEAST) for schema in shown)


@pytest.mark.parametrize("tool", KUBECTL)
@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("isvc", SAID["InferenceService.serving.kserve.io"][""]),
        ("isvc.spec.predictor", SAID["InferenceService.serving.kserve.io"]["spec.predictor"]),
        ("isvc.spec.predictor.minReplicas", LEAST),
        ("pods.spec.containers.readinessProbe.periodSeconds", SAID["$Probe"]["periodSeconds"]),
        ("pods.spec.nodeSelector", SAID["$PodSpec"]["nodeSelector"]),
        ("gatewayclasses.spec.description", SAID["GatewayClass.gateway.networking.k8s.io"]["spec.description"]),
    ],
)
def test_kubectl_explains_it(server: Running, tmp_path: Path, tool: str, path: str, said: str) -> None:
    explained = Kubectl(tool, server.kubeconfig, "default", tmp_path)("explain", path)
    assert said in " ".join(explained.split()), explained


@pytest.mark.parametrize("tool", KUBECTL)
def test_kubectl_finds_no_field_of_a_predictor_without_words(server: Running, tmp_path: Path, tool: str) -> None:
    explained = Kubectl(tool, server.kubeconfig, "default", tmp_path)("explain", "isvc.spec.predictor.model")
    assert "storageUri" in explained and "<no description>" not in explained
