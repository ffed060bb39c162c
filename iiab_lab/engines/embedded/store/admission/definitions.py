"""A CustomResourceDefinition → the same with Kubernetes' defaults, or 422 with what this engine cannot serve, by name.

Structural schemas, defaults, pruning, printer columns, short names, status and scale are served. CEL rules
(x-kubernetes-validations), conversion webhooks and schemas that are not structural are refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

from ...objects.kinds import CRD
from ...objects.meta import Object
from ...objects.names import CLEANUP
from ...rules.definitions import completed
from .. import structural
from ..causes import cause
from ..registry import NATIVE
from . import Admit

Cause = tuple[str, str]
# JSON Schema that a structural schema may not use.
_FORBIDDEN = ("$ref", "definitions", "dependencies", "patternProperties", "additionalItems", "contains", "id", "if")
_CEL = "x-kubernetes-validations"
_LOGIC = ("allOf", "anyOf", "oneOf")


def define(admit: Admit) -> Object | None:
    obj = admit.object
    if obj is None or admit.subresource:
        return obj
    _complete(obj)
    causes = [*_causes(obj), *_left_out(obj, admit.old)]
    if causes:
        raise structural.invalid(CRD.kind, CRD.group, obj["metadata"]["name"], causes)
    if admit.operation == "CREATE":
        obj["metadata"]["finalizers"] = sorted({*(obj["metadata"].get("finalizers") or ()), CLEANUP})
    return obj


def _complete(obj: Object) -> None:
    spec, names = obj["spec"], obj["spec"]["names"]
    names |= completed(names)
    spec.setdefault("conversion", {"strategy": "None"})


def _causes(obj: Object) -> Iterator[Cause]:
    spec = obj["spec"]
    wanted = f"{spec['names']['plural']}.{spec['group']}"
    if obj["metadata"]["name"] != wanted:
        yield "metadata.name", f'Invalid value: "{obj["metadata"]["name"]}": must be spec.names.plural+"."+spec.group'
    if spec["group"] in NATIVE or "." not in spec["group"]:
        yield (
            "spec.group",
            f'Invalid value: "{spec["group"]}": should be a domain with at least one dot, and not Kubernetes\' own',
        )
    if spec["conversion"].get("strategy", "None") != "None":
        yield (
            "spec.conversion.strategy",
            'Unsupported value: "Webhook": the embedded engine converts by apiVersion alone; use "None"',
        )
    stored = [version["name"] for version in spec["versions"] if version.get("storage")]
    if len(stored) != 1:
        yield "spec.versions", "Invalid value: must have exactly one version marked as storage version"
    for index, version in enumerate(spec["versions"]):
        path = f"spec.versions[{index}].schema.openAPIV3Schema"
        schema = (version.get("schema") or {}).get("openAPIV3Schema")
        if not isinstance(schema, dict):
            yield path, "Required value: schemas are required"
        else:
            yield from _schema(schema, path)


def _left_out(obj: Object, old: Object | None) -> Iterator[Cause]:
    """A version that objects may still be stored in."""
    stored = ((old or {}).get("status") or {}).get("storedVersions") or []
    kept = [version["name"] for version in obj["spec"]["versions"]]
    for index, name in enumerate(stored):
        if name not in kept:
            yield (
                f"status.storedVersions[{index}]",
                f'Invalid value: "{name}": missing from spec.versions; {name} was previously a storage version, and must '
                "remain in spec.versions until a storage migration ensures no data remains persisted in "
                f"{name} and removes {name} from status.storedVersions",
            )


def _schema(schema: Object, path: str) -> Iterator[Cause]:
    if schema.get("type") != "object":
        yield f"{path}.type", f"Invalid value: {_shown(schema.get('type'))}: must be object at the root"
    yield from _node(schema, path, within_logic=False)
    try:
        structural.validator(orjson.dumps(schema))
    except ValueError as error:
        yield path, f"Invalid value: {error}"
        return
    yield from _defaults(schema, path)


def _defaults(schema: Any, path: str) -> Iterator[Cause]:
    """A default that its own schema refuses would spoil every object."""
    if not isinstance(schema, dict):
        return
    if "default" in schema:
        errors = structural.validator(orjson.dumps(schema)).iter_errors(schema["default"])
        yield from ((f"{path}.default", said) for _, said in map(cause, errors))
    for name, child in (schema.get("properties") or {}).items():
        yield from _defaults(child, f"{path}.properties[{name}]")
    for name in ("items", "additionalProperties"):
        yield from _defaults(schema.get(name), f"{path}.{name}")


def _node(schema: Any, path: str, *, within_logic: bool) -> Iterator[Cause]:
    if not isinstance(schema, dict):
        yield path, "Invalid value: must be a schema"
        return
    yield from _keywords(schema, path, within_logic=within_logic)
    for name, child in (schema.get("properties") or {}).items():
        yield from _node(child, f"{path}.properties[{name}]", within_logic=within_logic)
    for name in ("items", "additionalProperties"):
        if isinstance(schema.get(name), dict):
            yield from _node(schema[name], f"{path}.{name}", within_logic=within_logic)
    for name in _LOGIC:
        for index, child in enumerate(schema.get(name) or ()):
            yield from _node(child, f"{path}.{name}[{index}]", within_logic=True)


def _keywords(schema: Object, path: str, *, within_logic: bool) -> Iterator[Cause]:
    for name in _FORBIDDEN:
        if name in schema:
            yield f"{path}.{name}", "Forbidden: is not part of a structural schema"
    if _CEL in schema:
        yield f"{path}.{_CEL}", "Forbidden: CEL rules are not served by the embedded engine; use pattern, enum, minimum"
    typed = schema.get("type") or schema.get("x-kubernetes-int-or-string")
    if not typed and not schema.get("x-kubernetes-preserve-unknown-fields") and not within_logic:
        yield f"{path}.type", "Required value: must not be empty for specified object fields"


def _shown(value: Any) -> str:
    return orjson.dumps(value).decode()
