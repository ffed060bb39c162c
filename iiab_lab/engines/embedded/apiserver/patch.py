"""A stored object and a patch → the patched object: JSON patch, merge patch, strategic merge patch.

Strategic merge finds a list's key in our schemas (x-kubernetes-patch-merge-key, x-kubernetes-list-map-keys).
Sources: RFC 6902, RFC 7396, Kubernetes' strategic merge patch.
"""

from __future__ import annotations

import copy
from typing import Any

import orjson

from ....errors import ApiError

Schema = dict[str, Any]


def merge(target: Any, patch: Any) -> Any:
    """RFC 7396."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merge(result.get(name), value)
    return result


def strategic(target: Any, patch: Any, schema: Schema) -> Any:
    """Maps merge, lists with a merge key merge by it, other lists are replaced; `$patch` and `$deleteFromPrimitiveList`."""
    if isinstance(patch, dict):
        return _strategic_map(target if isinstance(target, dict) else {}, patch, schema)
    if isinstance(patch, list):
        key, old = _merge_key(schema), target if isinstance(target, list) else []
        merges = key and all(isinstance(item, dict) for item in (*old, *patch))
        return _strategic_list(old, patch, schema.get("items") or {}, key) if merges else patch
    return patch


def json_patch(target: Any, operations: Any) -> Any:
    """RFC 6902; raises 422 where an operation cannot be carried out."""
    if not isinstance(operations, list):
        raise ApiError(
            400, "BadRequest", "a JSON patch is a list of operations", 'send [{"op": …, "path": …, "value": …}]'
        )
    result = copy.deepcopy(target)
    for operation in operations:
        try:
            result = _operate(result, operation)
        except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
            why = f"there is no {error}" if isinstance(error, KeyError) else error
            said = f"the patch operation {orjson.dumps(operation).decode()} cannot be applied: {why}"
            raise ApiError(422, "Invalid", said) from error
    return result


def _strategic_map(target: dict[str, Any], patch: dict[str, Any], schema: Schema) -> dict[str, Any]:
    if patch.get("$patch") == "replace":
        return {name: value for name, value in patch.items() if name != "$patch"}
    result = dict(target)
    children, rest = schema.get("properties") or {}, schema.get("additionalProperties")
    for name, value in patch.items():
        if name.startswith("$deleteFromPrimitiveList/"):
            field = name.partition("/")[2]
            result[field] = _without_values(result.get(field) or [], value)
        elif name.startswith("$"):
            continue  # $setElementOrder and $retainKeys order what is merged anyway
        elif value is None:
            result.pop(name, None)
        else:
            child = children.get(name) or (rest if isinstance(rest, dict) else {})
            result[name] = strategic(result.get(name), value, child)
    return result


def _without_values(target: Any, values: Any) -> list[Any]:
    if not isinstance(target, list) or not isinstance(values, list):
        raise ApiError(
            400, "BadRequest", "invalid patch format of primitive list", "send the values to delete, as a list"
        )
    return [item for item in target if item not in values]


def _strategic_list(target: list[Any], patch: list[Any], items: Schema, key: str) -> list[Any]:
    if any(item.get("$patch") == "replace" for item in patch):
        return [item for item in patch if "$patch" not in item]
    result = list(target)
    for item in patch:
        index = next((i for i, old in enumerate(result) if old.get(key) == item.get(key)), None)
        if item.get("$patch") == "delete":
            result = [old for old in result if old.get(key) != item.get(key)]
        elif index is None:
            result.append(item)
        else:
            result[index] = strategic(result[index], item, items)
    return result


def _merge_key(schema: Schema) -> str:
    keys = schema.get("x-kubernetes-list-map-keys") or [""]
    return str(schema.get("x-kubernetes-patch-merge-key") or keys[0])


def _operate(document: Any, operation: dict[str, Any]) -> Any:
    name, path = operation["op"], _pointer(operation["path"])
    if name == "test":
        if _at(document, path) != operation["value"]:
            raise ValueError("the test does not hold")
        return document
    if name == "remove":
        return _without(document, path)
    if name == "replace":
        _at(document, path)
        return _with(_without(document, path), path, operation["value"]) if path else operation["value"]
    if name == "add":
        return _with(document, path, operation["value"])
    if name in ("move", "copy"):
        source = _pointer(operation["from"])
        value = copy.deepcopy(_at(document, source))
        return _with(_without(document, source) if name == "move" else document, path, value)
    raise ValueError(f"unknown operation {name!r}")


def _pointer(text: str) -> list[str]:
    if text and not text.startswith("/"):
        raise ValueError(f"{text!r} is no JSON pointer")
    return [part.replace("~1", "/").replace("~0", "~") for part in text.split("/")[1:]]


def _at(document: Any, path: list[str]) -> Any:
    for part in path:
        document = document[int(part)] if isinstance(document, list) else document[part]
    return document


def _without(document: Any, path: list[str]) -> Any:
    parent = _at(document, path[:-1])
    if isinstance(parent, list):
        parent.pop(int(path[-1]))
    else:
        del parent[path[-1]]
    return document


def _with(document: Any, path: list[str], value: Any) -> Any:
    if not path:
        return value
    parent = _at(document, path[:-1])
    if isinstance(parent, list):
        index = len(parent) if path[-1] == "-" else int(path[-1])
        if not 0 <= index <= len(parent):
            raise IndexError(f"index {index} is out of range")
        parent.insert(index, value)
    else:
        parent[path[-1]] = value
    return document
