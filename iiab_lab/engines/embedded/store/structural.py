"""An object and its structural schema → the object with defaults, or the error a Kubernetes API server would give.

Three steps: unknown fields are refused by path (or pruned), defaults are filled in, values are checked. `metadata` is the
same for every kind and is checked in `metadata.py`. Semantics: structural schemas of apiextensions.k8s.io/v1.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import jsonschema_rs
import orjson

from ....errors import ApiError
from ..objects.meta import Object
from .causes import cause, reason

Schema = dict[str, Any]
_TOP = {"apiVersion", "kind", "metadata"}


def unknown_fields(obj: Any, schema: Schema, path: str = "") -> Iterator[str]:
    """The path of every field the schema does not know."""
    yield from (found for found, _, _ in _strangers(obj, schema, path))


def prune(obj: Any, schema: Schema) -> None:
    """Removes unknown fields in place, as for a user's own kinds under fieldValidation Warn and Ignore."""
    for _, parent, name in list(_strangers(obj, schema, "")):
        parent.pop(name, None)


def without_effect(obj: Any, schema: Schema, path: str = "") -> Iterator[str]:
    """The path of every field that is accepted and changes nothing on this engine, or has a value that does not."""
    idle = schema.get("x-iiab-no-effect")
    if idle is True or (isinstance(idle, list) and obj in idle):
        yield path
        return
    for child, child_schema, child_path in _children(obj, schema, path):
        yield from without_effect(child, child_schema, child_path)


def drop_nulls(obj: Any, schema: Schema) -> None:
    """Removes null values where the schema has no null, in place: clients send them for "not set"."""
    if isinstance(obj, dict):
        known = schema.get("properties") or {}
        for name in [name for name, value in obj.items() if value is None and not known.get(name, {}).get("nullable")]:
            del obj[name]
    for child, child_schema, _ in _children(obj, schema, ""):
        drop_nulls(child, child_schema)


def default(obj: Any, schema: Schema) -> None:
    """Fills defaults in place, outermost first, so a defaulted object gets its own fields' defaults too."""
    if isinstance(obj, dict):
        for name, child in (schema.get("properties") or {}).items():
            if name not in obj and "default" in child:
                obj[name] = orjson.loads(orjson.dumps(child["default"]))
    for child, child_schema, _ in _children(obj, schema, ""):
        default(child, child_schema)


def check(obj: Object, schema: Schema, kind: str, group: str) -> None:
    """Raises 422 Invalid with one cause per wrong value."""
    causes = [cause(error) for error in validator(orjson.dumps(schema)).iter_errors(_body(obj))]
    if causes:
        raise invalid(kind, group, obj["metadata"].get("name", ""), causes)


def invalid(kind: str, group: str, name: str, causes: list[tuple[str, str]]) -> ApiError:
    """`causes`: (field, what is wrong with it)."""
    said = [f"{field}: {message}" for field, message in causes]
    text = said[0] if len(said) == 1 else f"[{', '.join(said)}]"
    error = ApiError(422, "Invalid", f'{kind}{"." + group if group else ""} "{name}" is invalid: {text}')
    error.details = {
        "name": name,
        "kind": kind,
        "group": group,
        "causes": [{"reason": reason(m), "message": m, "field": f} for f, m in causes],
    }
    return error


def _strangers(obj: Any, schema: Schema, path: str) -> Iterator[tuple[str, Any, str]]:
    if isinstance(obj, dict) and not _open(schema):
        known = schema.get("properties") or {}
        for name in obj:
            if name not in known and not (not path and name in _TOP):
                yield f"{path}.{name}" if path else name, obj, name
    for child, child_schema, child_path in _children(obj, schema, path):
        yield from _strangers(child, child_schema, child_path)


def _open(schema: Schema) -> bool:
    return bool(
        schema.get("x-kubernetes-preserve-unknown-fields")
        or "additionalProperties" in schema
        or schema.get("x-kubernetes-int-or-string")
        or (schema.get("type") != "object" and "properties" not in schema)
    )


def _children(obj: Any, schema: Schema, path: str) -> Iterator[tuple[Any, Schema, str]]:
    if isinstance(obj, dict):
        known, rest = schema.get("properties") or {}, schema.get("additionalProperties")
        for name, value in list(obj.items()):
            if not path and name in _TOP:
                continue
            child = known.get(name, rest if isinstance(rest, dict) else None)
            if child is not None:
                yield value, child, f"{path}.{name}" if path else name
    elif isinstance(obj, list) and isinstance(schema.get("items"), dict):
        for index, value in enumerate(obj):
            yield value, schema["items"], f"{path}[{index}]"


@lru_cache(maxsize=512)
def validator(schema: bytes) -> Any:
    """Compiled once per schema; the text is the key, so a changed CustomResourceDefinition gets a new one."""
    loaded = orjson.loads(schema)
    _open_up(loaded)
    return jsonschema_rs.Draft7Validator(loaded, formats={"byte": _is_base64}, validate_formats=True)


def _is_base64(text: str) -> bool:
    try:
        base64.b64decode(text.replace("\n", "").replace("\r", ""), validate=True)
    except ValueError:
        return False
    return True


def _open_up(schema: Any) -> None:
    """Kubernetes' dialect → JSON Schema: nullable, int-or-string and the sizes of integers, in place."""
    if isinstance(schema, list):
        for item in schema:
            _open_up(item)
    elif isinstance(schema, dict):
        if schema.get("x-kubernetes-int-or-string") is True:
            schema.pop("type", None)
            schema["anyOf"] = [{"type": "integer"}, {"type": "string"}]
        if schema.get("type") == "integer":
            most = 2**31 if schema.get("format") == "int32" else 2**63
            schema["minimum"] = max(schema.get("minimum", -most), -most)
            schema["maximum"] = min(schema.get("maximum", most - 1), most - 1)
        if schema.get("nullable") is True and isinstance(schema.get("type"), str):
            schema["type"] = [schema["type"], "null"]
        for child in schema.values():
            _open_up(child)


def _body(obj: Object) -> Object:
    return {name: value for name, value in obj.items() if name not in _TOP}
