"""Objects → sets of field paths and back: what a value says, what differs between two, and the FieldsV1 form of both.

A path is a tuple of FieldsV1 steps: `f:NAME` a field, `k:{"name":"x"}` the item of a list by its keys, `v:"x"` a member of a
set. Lists without keys and maps marked atomic are one path as a whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

from ...objects.meta import Object

Path = tuple[str, ...]
Paths = set[Path]
Schema = dict[str, Any]

# ObjectMeta is the same for every kind, and no schema file repeats it.
_STRINGS = {"type": "object", "additionalProperties": {"type": "string"}}
METADATA: Schema = {
    "type": "object",
    "properties": {
        "labels": _STRINGS,
        "annotations": _STRINGS,
        "finalizers": {
            "type": "array",
            "x-kubernetes-list-type": "set",
            "x-kubernetes-patch-strategy": "merge",
            "items": {"type": "string"},
        },
        "ownerReferences": {
            "type": "array",
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["uid"],
            "x-kubernetes-patch-merge-key": "uid",
            "items": {"type": "object"},
        },
    },
}
_OWNED_METADATA = frozenset(METADATA["properties"])


def whole(schema: Schema) -> Schema:
    """The schema of a kind with metadata in it."""
    return schema | {"properties": {**(schema.get("properties") or {}), "metadata": METADATA}}


def owned(obj: Object) -> Object:
    """What of an object anybody can own: without its identity and what the server keeps."""
    rest = {name: value for name, value in obj.items() if name not in ("apiVersion", "kind", "metadata")}
    meta = {name: value for name, value in (obj.get("metadata") or {}).items() if name in _OWNED_METADATA}
    return rest | ({"metadata": meta} if meta else {})


def leaves(value: Any, schema: Schema, path: Path = ()) -> Paths:
    """Every path that a value says something about."""
    if isinstance(value, dict) and value and not _atomic(schema):
        children = children_of(schema)
        return {p for name, child in value.items() for p in leaves(child, children(name), (*path, f"f:{name}"))}
    items = _steps(value, schema)
    if items is None:
        return {path} if path else set()
    inner = schema.get("items") or {}
    found: Paths = set()
    for step, item in items.items():
        found.add((*path, step))
        if isinstance(item, dict):
            found |= leaves(item, inner, (*path, step))
    return found


def diff(old: Any, new: Any, schema: Schema, path: Path = ()) -> tuple[Paths, Paths]:
    """(paths added or changed, paths removed) from one value to the other."""
    if old == new:
        return set(), set()
    parts = _parts(old, new, schema)
    if parts is None:
        before, after = leaves(old, schema, path), leaves(new, schema, path)
        return after, before - after
    changed: Paths = set()
    removed: Paths = set()
    for step, one, other, child in parts:
        here = (*path, step)
        if other is _NOTHING:
            removed |= leaves(one, child, here) | {here}
        elif one is _NOTHING:
            changed |= leaves(other, child, here) | ({here} if step[0] == "k" else set())
        else:
            more, less = diff(one, other, child, here)
            changed |= more
            removed |= less
    return changed, removed


def remove(value: Any, path: Path, kept: Paths) -> None:
    """Takes a path out of an object in place, and every map or list that is empty after it, but for those in `kept`."""
    for depth in range(len(path), 0, -1):
        parent = find(value, path[: depth - 1])
        if parent is None:
            continue
        child = find(parent, path[depth - 1 : depth])
        if depth < len(path) and (child not in ({}, []) or path[:depth] in kept):
            return
        _drop(parent, path[depth - 1])


def find(value: Any, path: Path) -> Any:
    """What stands at a path, or None."""
    for step in path:
        if step[0] == "f" and isinstance(value, dict):
            value = value.get(step[2:])
        elif step[0] == "k" and isinstance(value, list):
            value = next((item for item in value if _is(item, orjson.loads(step[2:]))), None)
        elif step[0] == "v" and isinstance(value, list):
            wanted = orjson.loads(step[2:])
            value = wanted if wanted in value else None
        else:
            return None
    return value


def tree(paths: Paths) -> Object:
    """Paths → FieldsV1."""
    root: Object = {}
    for path in sorted(paths):
        node = root
        for step in path:
            node = node.setdefault(step, {})
        node.setdefault(".", {})
    return _plain(root)


def untree(fields: Any, path: Path = ()) -> Iterator[Path]:
    """FieldsV1 → paths; ValueError for what is none."""
    if not isinstance(fields, dict):
        raise ValueError("fieldsV1 is no tree of fields")
    if not fields and path:
        yield path
    for step, child in fields.items():
        if step == ".":
            yield path
        elif step[:2] in ("f:", "k:", "v:"):
            yield from untree(child, (*path, step))
        else:
            raise ValueError(f"{step!r} is no step of a path")


def shown(path: Path) -> str:
    """As Kubernetes' messages write it: .spec.containers[name="x"].image"""
    text = ""
    for step in path:
        kind, rest = step[0], step[2:]
        if kind == "k":
            inner = ",".join(f"{k}={orjson.dumps(v).decode()}" for k, v in orjson.loads(rest).items())
        text += f".{rest}" if kind == "f" else f"[{inner}]" if kind == "k" else f"[={rest}]"
    return text


def key_step(item: Any, schema: Schema) -> str:
    """The step of a list's item by its keys; a key that is left out has its default."""
    known = (schema.get("items") or {}).get("properties") or {}
    keys = {name: item.get(name, known.get(name, {}).get("default")) for name in schema["x-kubernetes-list-map-keys"]}
    return "k:" + orjson.dumps({k: v for k, v in keys.items() if v is not None}, option=orjson.OPT_SORT_KEYS).decode()


def children_of(schema: Schema) -> Any:
    """A field's name → its schema; {} where nothing is known of it."""
    known, rest = schema.get("properties") or {}, schema.get("additionalProperties")
    other = rest if isinstance(rest, dict) else {}
    return lambda name: known.get(name, other)


_NOTHING = object()


def _parts(old: Any, new: Any, schema: Schema) -> list[tuple[str, Any, Any, Schema]] | None:
    """(step, old child, new child, schema of both) where the two can be compared part by part."""
    if isinstance(old, dict) and isinstance(new, dict) and old and new and not _atomic(schema):
        child = children_of(schema)
        names = [*old, *(name for name in new if name not in old)]
        return [(f"f:{name}", old.get(name, _NOTHING), new.get(name, _NOTHING), child(name)) for name in names]
    before, after = _steps(old, schema), _steps(new, schema)
    if not before or not after:
        return None
    inner = schema.get("items") or {}
    steps = [*before, *(step for step in after if step not in before)]
    return [(step, before.get(step, _NOTHING), after.get(step, _NOTHING), inner) for step in steps]


def _steps(value: Any, schema: Schema) -> dict[str, Any] | None:
    """Step → item of a list with keys, or of a set; None for everything else."""
    kind = schema.get("x-kubernetes-list-type")
    if not isinstance(value, list) or not value or kind not in ("map", "set"):
        return None
    if kind == "set":
        return {"v:" + orjson.dumps(item).decode(): item for item in value}
    if not all(isinstance(item, dict) for item in value):
        return None
    return {key_step(item, schema): item for item in value}


def _atomic(schema: Schema) -> bool:
    return schema.get("x-kubernetes-map-type") == "atomic"


def _is(item: Any, keys: Object) -> bool:
    """A key that is left out has its default, which the path names and the item may not."""
    return isinstance(item, dict) and all(item.get(name, value) == value for name, value in keys.items())


def _drop(parent: Any, step: str) -> None:
    if isinstance(parent, dict):
        parent.pop(step[2:], None)
    elif isinstance(parent, list):
        found = find(parent, (step,))
        if found is not None:
            parent.remove(found)


def _plain(node: Object) -> Object:
    """A leaf is written {}, and only what is both a leaf and a parent keeps its dot."""
    return {} if set(node) == {"."} else {step: child if step == "." else _plain(child) for step, child in node.items()}
