"""The bytes of a JSON object → the path of every field that is in it twice, which a parser would pass over in silence."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any


class _Doubled(dict[str, Any]):
    """An object, and which of its names were given more than once."""

    names: tuple[str, ...] = ()


def duplicates(content: bytes) -> list[str]:
    """Of a body that is known to be JSON and not too deep."""
    doubled = False

    def read(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal doubled
        made = _Doubled(pairs)
        if len(made) != len(pairs):
            doubled, names = True, [name for name, _ in pairs]
            made.names = tuple(name for name in made if names.count(name) > 1)
        return made

    value = json.loads(content, object_pairs_hook=read)
    return list(_paths(value, "")) if doubled else []


def _paths(value: Any, path: str) -> Iterator[str]:
    if isinstance(value, _Doubled):
        yield from (f"{path}.{name}".lstrip(".") for name in value.names)
        for name, child in value.items():
            yield from _paths(child, f"{path}.{name}")
    elif isinstance(value, list):
        for index, child in enumerate(value):
            yield from _paths(child, f"{path}[{index}]")
