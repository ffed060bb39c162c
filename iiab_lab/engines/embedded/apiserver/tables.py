"""Objects → the Table that kubectl prints: the columns each kind's users expect, ages included.

Most columns are JSON paths in the schema (additionalPrinterColumns); kinds whose columns need arithmetic stand in `cells.py`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from ..objects.meta import Object
from ..store.registry import Resource
from . import cells

_STEP = re.compile(
    r"\.([A-Za-z0-9_-]+(?:\\\.[A-Za-z0-9_/-]+)*)|\[\?\(@\.(\w+)==['\"]?([^'\")]*)['\"]?\)\]|\[(\d+|\*)\]|\['([^']+)'\]"
)
_NAME = {"name": "Name", "type": "string", "format": "name", "priority": 0, "description": ""}
_AGE = {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}

Column = dict[str, Any]


def table(resource: Resource, objects: list[Object], meta: Object, query: dict[str, str]) -> Object:
    """`meta` is the list's metadata."""
    columns, row = _columns(resource)
    include = query.get("includeObject", "Metadata")
    rows = [
        {"cells": [obj["metadata"]["name"], *row(obj)]}
        | ({} if include == "None" else {"object": _shown(obj, include)})
        for obj in objects
    ]
    event = resource.kind.resource == "events"  # whose names say nothing
    definitions = [
        _NAME | {"priority": int(event)},
        *(
            {
                "name": c["name"],
                "type": _type(c),
                "format": c.get("format", ""),
                "priority": c.get("priority", 0),
                "description": c.get("description", ""),
            }
            for c in columns
        ),
    ]
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": meta,
        "columnDefinitions": definitions,
        "rows": rows,
    }


def lookup(obj: Any, path: str) -> Any:
    """A JSON path of the subset that printer columns use → the first value, or None."""
    values = [obj]
    for step in _STEP.finditer(path):
        values = [found for value in values for found in _step(value, step)]
    return values[0] if values else None


def _columns(resource: Resource) -> tuple[list[Column], Callable[[Object], list[Any]]]:
    special = cells.KINDS.get((resource.kind.group, resource.kind.kind))
    if special:
        return [*special.columns], special.row
    columns = list(resource.columns) or [_AGE]
    return columns, lambda obj: [_cell(lookup(obj, column["jsonPath"]), column) for column in columns]


def _cell(value: Any, column: Column) -> Any:
    if value is None:
        return ""
    if column["type"] == "date":
        return cells.age(str(value))
    if column["type"] == "integer":
        return value
    return (
        str(value)
        if not isinstance(value, bool | list)
        else str(value).lower()
        if isinstance(value, bool)
        else _listed(value)
    )


def _listed(values: list[Any]) -> str:
    return "[" + ",".join(f'"{value}"' for value in values) + "]"


def _type(column: Column) -> str:
    return "string" if column["type"] == "date" else str(column["type"])


def _compared(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _shown(obj: Object, include: str) -> Object:
    if include == "Object":
        return obj
    return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": obj["metadata"]}


def _step(value: Any, step: re.Match[str]) -> list[Any]:
    name, key, equals, index, quoted = step.groups()
    name = (name or quoted or "").replace("\\.", ".")
    if name:
        return [value[name]] if isinstance(value, dict) and name in value else []
    if not isinstance(value, list):
        return []
    if key:
        return [item for item in value if isinstance(item, dict) and _compared(item.get(key)) == equals]
    return value if index == "*" else value[int(index) : int(index) + 1]
