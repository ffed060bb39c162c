"""Every manifest is real: strictly valid against the pinned upstream schema, and against ours."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml

from iiab_lab.assets import manifests
from iiab_lab.engines.embedded import bootstrap
from iiab_lab.engines.embedded.processes.images import IMAGES, repository
from iiab_lab.engines.embedded.rules import gateway_proxy
from iiab_lab.engines.embedded.store import structural
from iiab_lab.engines.embedded.store.admission import sidecar, storage_initializer
from iiab_lab.engines.embedded.store.registry import Registry
from iiab_lab.kube import Object, documents

from .. import upstream

REGISTRY = Registry.load()
FOLDERS = [manifests(), Path(bootstrap.__file__).parent / "charts"]
EVERY = [(file, obj) for folder in FOLDERS for file, obj in documents(folder) if file != manifests() / "versions.yaml"]
EACH = pytest.mark.parametrize(
    ("file", "obj"), EVERY, ids=[f"{f.parent.name}/{f.stem}-{o['kind']}-{o['metadata']['name']}" for f, o in EVERY]
)
VERSIONS = yaml.safe_load((manifests() / "versions.yaml").read_text())


def strict(schema: Any) -> Any:
    """The upstream schema with every unknown field an error, as the API server's strict field validation has it."""
    made = {name: strict(child) if isinstance(child, dict) else child for name, child in schema.items()}
    if "properties" in made:
        made["properties"] = {name: strict(child) for name, child in schema["properties"].items()}
    for several in ("anyOf", "oneOf", "allOf"):
        if several in made:  # structural schemas repeat no properties there: values only
            made[several] = copy.deepcopy(schema[several])
    if made.pop("x-kubernetes-int-or-string", False):
        made = {name: value for name, value in made.items() if name not in ("type", "pattern")}
    if made.get("x-kubernetes-embedded-resource"):
        made.setdefault("properties", {}).update({"apiVersion": {}, "kind": {}, "metadata": {}})
    if made.get("nullable") and "type" in made:
        made["type"] = [made["type"], "null"]
    if "properties" in made and "additionalProperties" not in made:
        made["additionalProperties"] = bool(made.get("x-kubernetes-preserve-unknown-fields"))
    # These two are about the regular expressions of another language.
    return {name: value for name, value in made.items() if name not in ("format", "x-kubernetes-validations")}


def upstream_errors(obj: Object) -> Iterator[str]:
    for error in upstream_validator(obj["apiVersion"], obj["kind"]).iter_errors(obj):
        yield f"{'/'.join(map(str, error.instance_path))}: {error.message}"


@cache
def upstream_validator(api_version: str, kind: str) -> Any:
    group, _, version = api_version.rpartition("/")
    schema = upstream.schema(group, kind, version)
    assert schema is not None, f"upstream has no {kind} in {api_version}"
    closed = strict(schema)
    closed["properties"] |= {
        "apiVersion": {"type": "string"},
        "kind": {"type": "string"},
        "metadata": {"type": "object"},
    }
    return jsonschema_rs.validator_for(closed)


@EACH
def test_it_is_valid_here(file: Path, obj: Object) -> None:
    resource = REGISTRY.for_object(obj)
    assert resource is not None
    assert list(structural.unknown_fields(obj, resource.schema)) == []
    defaulted = copy.deepcopy(obj)
    structural.default(defaulted, resource.schema)
    structural.check(defaulted, resource.schema, resource.kind.kind, resource.kind.group)


# Kubernetes' own groups, of which no definition is published.
OWN = ("rbac.authorization.k8s.io", "networking.k8s.io")
CUSTOM = [(f, o) for f, o in EVERY if "." in (group := o["apiVersion"].partition("/")[0]) and group not in OWN]


@pytest.mark.parametrize(
    ("file", "obj"), CUSTOM, ids=[f"{f.stem}-{o['kind']}-{o['metadata']['name']}" for f, o in CUSTOM]
)
def test_it_is_strictly_valid_upstream(file: Path, obj: Object) -> None:
    assert not upstream.FOLDER or list(upstream_errors(obj)) == []


def test_the_strict_check_can_fail() -> None:
    """A check of the check: a typo three levels down is found."""
    isvc = next(copy.deepcopy(obj) for _, obj in EVERY if obj["kind"] == "InferenceService")
    isvc["spec"]["predictor"]["minReplica"] = 1
    assert not upstream.FOLDER or [error for error in upstream_errors(isvc) if "minReplica" in error]


def test_every_image_is_pinned_in_one_place() -> None:
    def images(value: Any) -> Iterator[str]:
        if isinstance(value, dict):
            yield from ([value["image"]] if isinstance(value.get("image"), str) else [])
            value = list(value.values())
        for child in value if isinstance(value, list) else ():
            yield from images(child)

    used = {image for _, obj in EVERY for image in images(obj)}
    used |= {sidecar.IMAGE, storage_initializer.IMAGE, gateway_proxy.IMAGE}
    assert used == {f"{name}:{tag}" for name, tag in VERSIONS["images"].items()}
    assert {repository(image) for image in used} == set(IMAGES)


def test_packages_are_those_that_the_project_installs() -> None:
    project = (manifests().parent / "pyproject.toml").read_text()
    for name, version in VERSIONS["packages"].items():
        assert f'"{name}=={version}"' in project


def test_releases_are_those_of_the_schemas() -> None:
    rows = (
        re.findall(r"^\| ([\w-]+) \| (\S+) \|", (upstream.FOLDER / "README.md").read_text(), re.M)
        if upstream.FOLDER
        else []
    )
    known = dict(row for row in rows if row[0] != "project")
    assert {name: VERSIONS["releases"].get(name) for name in known} == known


def test_no_manifest_holds_a_secret() -> None:
    assert [
        obj["metadata"]["name"]
        for _, obj in EVERY
        if obj["kind"] == "Secret" and (obj.get("data") or obj.get("stringData"))
    ] == []
