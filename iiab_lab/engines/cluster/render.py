"""A folder of manifests → the same objects as a cluster gets them: the listed changes made, the lab's images by their address."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import yaml

from ...kube import Object
from ..embedded.apiserver.patch import json_patch
from ..order import ordered
from .where import Where

HERE = Path(__file__).parent
OURS = "iiab-lab/"
_DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


def objects(where: Where, path: Path) -> list[Object]:
    """Raises ApiError where a change does not fit its object."""
    return [_addressed(where, _changed(where, obj)) for obj in _read(path)]


@cache
def _read(path: Path) -> tuple[Object, ...]:
    """Nobody changes what this returns: every object goes out as a copy."""
    return tuple(ordered(path))


def text(found: list[Object]) -> str:
    return str(yaml.dump_all(found, Dumper=_DUMPER, sort_keys=False, width=1000))


@cache
def changes() -> list[dict[str, Any]]:
    """object, only, why, ops; see changes.yaml."""
    found: list[dict[str, Any]] = yaml.safe_load((HERE / "changes.yaml").read_text())
    return found


def called(obj: Object) -> str:
    """`Kind namespace/name`; of what has no namespace `Kind name`."""
    meta = obj["metadata"]
    return f"{obj['kind']} " + "/".join(filter(None, (meta.get("namespace", ""), meta["name"])))


def listed(found: list[Object]) -> str:
    """The first three by name and how many more, in one line that stays readable."""
    rest = f", … {len(found) - 3} more" if len(found) > 3 else ""
    return ", ".join(map(called, found[:3])) + rest


def _changed(where: Where, obj: Object) -> Object:
    for change in changes():
        if change["object"] == called(obj) and change.get("only", where.on) == where.on:
            obj = json_patch(obj, change["ops"])
    return obj


def _addressed(where: Where, value: Any) -> Any:
    if isinstance(value, list):
        return [_addressed(where, item) for item in value]
    if not isinstance(value, dict):
        return value
    image = value.get("image")
    own = {"image": where.image(image)} if isinstance(image, str) and image.startswith(OURS) else {}
    return {name: _addressed(where, item) for name, item in value.items()} | own
