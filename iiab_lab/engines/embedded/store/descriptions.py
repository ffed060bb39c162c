"""`_descriptions.yaml` → the `description` of every field, which OpenAPI, `kubectl explain` and the served definitions show.

A field is named as kubectl names it: `spec.ports.name` steps through the items of lists and the values of maps by itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..objects.meta import Object

Said = Mapping[str, Mapping[str, str]]  # kind or $part → field → sentence; the field "" is the kind or part itself


def add(said: Said, parts: Object, definitions: list[Object]) -> None:
    """Before the parts are put in place: a sentence of a part then holds wherever the part stands."""
    for name, part in parts.items():
        _describe(part, said.get(f"${name}", {}))
    for definition in definitions:
        for version in definition["spec"]["versions"]:
            _describe(version["schema"]["openAPIV3Schema"], said.get(kind(definition), {}))


def kind(definition: Object) -> str:
    """`InferenceService.serving.kserve.io`, `Pod`."""
    spec = definition["spec"]
    return f"{spec['names']['kind']}.{spec['group']}".rstrip(".")


def field(schema: Object, path: str) -> Object | None:
    """The schema of a field; None where there is no such field."""
    for name in filter(None, path.split(".")):
        found = fields(schema).get(name)
        if found is None:
            return None
        schema = found
    return schema


def fields(schema: Any) -> Object:
    """The fields of an object, of a list's items or of a map's values."""
    while isinstance(schema, dict) and "properties" not in schema:
        schema = schema.get("items") or schema.get("additionalProperties")
    found: Object = schema["properties"] if isinstance(schema, dict) else {}
    return found


def _describe(schema: Object, said: Mapping[str, str]) -> None:
    for path, sentence in said.items():
        # A sentence that has outlived its field stops no platform; a test finds it.
        if (found := field(schema, path)) is not None:
            found["description"] = sentence
