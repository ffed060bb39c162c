"""Our schemas accept nothing that upstream's would refuse: every field of ours is a field of theirs, no looser."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from iiab_lab.engines.embedded.store.registry import Registry, Resource

from .... import upstream

CUSTOM = [r for r in Registry.load() if (r.kind.group, r.kind.kind) in upstream.definitions()]


def looser(ours: Any, theirs: Any, path: str) -> Iterator[str]:
    """Every place where ours accepts what theirs does not know."""
    if theirs.get("x-kubernetes-preserve-unknown-fields") and "properties" not in theirs:
        return
    if ours.get("x-kubernetes-preserve-unknown-fields"):
        # Free form of ours stands where it has no effect, or below a status that only we write.
        if not ours.get("x-iiab-no-effect") and not path.startswith(".status"):
            yield f"{path}: free form"
        return
    yield from _local(ours, theirs, path)
    more = theirs.get("additionalProperties")
    for name, child in (ours.get("properties") or {}).items():
        their_child = (theirs.get("properties") or {}).get(name, more if isinstance(more, dict) else None)
        if their_child is None:
            yield f"{path}.{name}: upstream has no such field"
        else:
            yield from looser(child, their_child, f"{path}.{name}")
    for name in ("items", "additionalProperties"):
        if isinstance(ours.get(name), dict):
            yield from looser(ours[name], theirs.get(name) or {}, f"{path}[]")


def _local(ours: Any, theirs: Any, path: str) -> Iterator[str]:
    if ours.get("type") != theirs.get("type") and not theirs.get("x-kubernetes-int-or-string"):
        yield f"{path}: {ours.get('type')} is not {theirs.get('type')}"
    if "enum" in theirs and not set(ours.get("enum", ["\0"])) <= set(theirs["enum"]) and not path.startswith(".status"):
        yield f"{path}: {ours.get('enum')} is not within {theirs['enum']}"
    if missing := set(theirs.get("required") or ()) - set(ours.get("required") or ()) - set(_defaulted(theirs)):
        yield f"{path}: upstream requires {sorted(missing)}"


def _defaulted(schema: dict[str, Any]) -> list[str]:
    return [name for name, child in (schema.get("properties") or {}).items() if "default" in child]


@pytest.mark.parametrize("resource", CUSTOM, ids=lambda r: f"{r.kind.resource}/{r.kind.version}")
def test_ours_is_a_subset_of_upstreams(resource: Resource) -> None:
    theirs = upstream.schema(resource.kind.group, resource.kind.kind, resource.kind.version)
    assert theirs is not None, f"upstream serves no {resource.kind.version}"
    assert list(looser(resource.schema, theirs, "")) == []


@pytest.mark.parametrize("resource", CUSTOM, ids=lambda r: f"{r.kind.resource}/{r.kind.version}")
def test_names_scope_and_subresources_are_upstreams(resource: Resource) -> None:
    spec = upstream.definitions()[resource.kind.group, resource.kind.kind]["spec"]
    assert (resource.kind.plural, resource.kind.namespaced) == (spec["names"]["plural"], spec["scope"] == "Namespaced")
    assert set(resource.short_names) <= set(spec["names"].get("shortNames") or ())
    version = next(v for v in spec["versions"] if v["name"] == resource.kind.version)
    assert resource.subresources <= set(version.get("subresources") or ())
    stored = next(v["name"] for v in spec["versions"] if v.get("storage"))
    assert resource.stored.version == stored


@pytest.mark.parametrize("resource", list(Registry.load()), ids=lambda r: f"{r.kind.resource}/{r.kind.version}")
def test_every_custom_kind_is_held_against_upstream(resource: Resource) -> None:
    known = resource in CUSTOM or resource.native
    assert known or not upstream.FOLDER
