"""A live object and what somebody applies → the merged object and its owners, or 409 with every field in conflict.

What is applied wins where nobody else owns it; what its manager applied before and now leaves out goes, unless somebody
else owns it too.
"""

from __future__ import annotations

import copy
import itertools
from typing import Any

import orjson

from .....errors import ApiError
from ...objects.meta import Object
from . import managers, paths
from .managers import BEFORE_FIRST_APPLY, Owned, Owners, Writer
from .paths import Paths, Schema


def apply(live: Object, applied: Object, schema: Schema, writer: Writer, now: str, *, force: bool) -> Object:
    """The object to store, `metadata.managedFields` included. Raises 409 Conflict; `live` and `applied` stay as they are."""
    full = paths.whole(schema)
    owners = _owners(live, full, now)
    said = paths.leaves(paths.owned(applied), full)
    merged = merge(copy.deepcopy(live), applied, full)
    merged["metadata"]["managedFields"] = []
    before = owners.pop(writer, Owned(now, set()))
    _prune(merged, before.fields - said, [said, *(held.fields for held in owners.values())])
    changed, _ = paths.diff(paths.owned(live), paths.owned(merged), full)
    _claim(owners, changed & said, force)
    owners[writer] = Owned(before.time if before.fields == said else now, said)
    merged["metadata"]["managedFields"] = managers.written(owners)
    return merged


def created(applied: Object, schema: Schema, writer: Writer, now: str) -> list[Object]:
    """managedFields of an object that did not exist before it was applied."""
    return managers.written({writer: Owned(now, paths.leaves(paths.owned(applied), paths.whole(schema)))})


def merge(live: Any, applied: Any, schema: Schema) -> Any:
    """Maps merge by field, lists by their keys, sets by membership; every other value is replaced."""
    if isinstance(applied, dict) and isinstance(live, dict) and schema.get("x-kubernetes-map-type") != "atomic":
        child = paths.children_of(schema)
        return live | {name: merge(live.get(name), value, child(name)) for name, value in applied.items()}
    kind = schema.get("x-kubernetes-list-type")
    if not isinstance(applied, list) or not isinstance(live, list) or kind not in ("map", "set"):
        return applied
    if kind == "set":
        return [*live, *(item for item in applied if item not in live)]
    return _merge_items(live, applied, schema)


def _merge_items(live: list[Any], applied: list[Any], schema: Schema) -> list[Any]:
    """Live items keep their places; new ones follow in the order in which they were applied."""
    if not all(isinstance(item, dict) for item in (*live, *applied)):
        return applied
    wanted = {paths.key_step(item, schema): item for item in applied}
    if len(wanted) < len(applied):
        raise ApiError(422, "Invalid", "the applied list names one key twice", "name each item once")
    inner, result = schema.get("items") or {}, []
    for item in live:
        other = wanted.pop(paths.key_step(item, schema), None)
        result.append(item if other is None else merge(item, other, inner))
    return [*result, *wanted.values()]


def _owners(live: Object, schema: Schema, now: str) -> Owners:
    entries = live["metadata"].get("managedFields")
    if entries:
        return managers.read(entries)
    held = Owned(now, paths.leaves(paths.owned(live), schema))
    return {Writer(BEFORE_FIRST_APPLY, "Update", live["apiVersion"]): held}


def _prune(merged: Object, gone: Paths, held: list[Paths]) -> None:
    """Whole items first; an item that somebody still has a part of keeps its keys."""
    kept = {path[:depth] for fields in held for path in fields for depth in range(1, len(path) + 1)}
    for path in sorted(gone - kept, key=len):
        if not (len(path) > 1 and path[:-1] in kept and _is_key(path)):
            paths.remove(merged, path, kept)


def _is_key(path: paths.Path) -> bool:
    return path[-2][0] == "k" and path[-1][2:] in orjson.loads(path[-2][2:])


def _claim(owners: Owners, changed: Paths, force: bool) -> None:
    """Takes the changed fields from whoever else owns them, or refuses."""
    disputed = [(who, sorted(held.fields & changed)) for who, held in owners.items() if held.fields & changed]
    if disputed and not force:
        raise _conflict([(who, path) for who, fields in disputed for path in fields])
    for held in owners.values():
        held.fields -= changed


def _conflict(disputed: list[tuple[Writer, paths.Path]]) -> ApiError:
    said = sorted((_name(who), paths.shown(path)) for who, path in disputed)
    if len(said) == 1:
        text = "1 conflict: conflict with {}: {}".format(*said[0])
    else:
        groups = itertools.groupby(said, key=lambda one: one[0])
        lines = [
            line for name, of in groups for line in (f"conflicts with {name}:", *(f"- {field}" for _, field in of))
        ]
        text = f"{len(said)} conflicts: " + "\n".join(lines)
    error = ApiError(
        409,
        "Conflict",
        f"Apply failed with {text}",
        "leave the field out, apply the same value, or take it over: --server-side --force-conflicts",
    )
    error.details = {
        "causes": [
            {"reason": "FieldManagerConflict", "message": f"conflict with {name}", "field": field}
            for name, field in said
        ]
    }
    return error


def _name(who: Writer) -> str:
    """As Kubernetes tells managers apart: an applier by its name, whoever else by its version too."""
    name = f'"{who.manager}"' + (f' with subresource "{who.subresource}"' if who.subresource else "")
    return name if who.operation == "Apply" else f"{name} using {who.api_version}"
