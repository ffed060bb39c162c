"""Sizes of an old and a new ReplicaSet → the sizes they should have next. A Deployment's RollingUpdate."""

from __future__ import annotations

import hashlib
import math
from typing import Any

import orjson

Object = dict[str, Any]


def template_hash(template: Object) -> str:
    """The `pod-template-hash` of a template: the same template, the same ten characters."""
    canonical = orjson.dumps(template, option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(canonical).hexdigest()[:10]


def bounds(strategy: Object, wanted: int) -> tuple[int, int]:
    """(surge, unavailable) in Pods; percentages round up and down; never both zero."""
    if strategy.get("type") == "Recreate":
        return 0, wanted
    rolling = strategy.get("rollingUpdate") or {}
    surge = _pods(rolling.get("maxSurge", "25%"), wanted, math.ceil)
    unavailable = _pods(rolling.get("maxUnavailable", "25%"), wanted, math.floor)
    return (surge, unavailable) if surge or unavailable else (0, 1)


def sizes(wanted: int, strategy: Object, new: tuple[int, int], old: list[tuple[int, int]]) -> tuple[int, list[int]]:
    """(size, available) of the new ReplicaSet and of each old one → the size each should have now."""
    surge, unavailable = bounds(strategy, wanted)
    total_old = sum(size for size, _ in old)
    if strategy.get("type") == "Recreate" and total_old:
        return 0, [0] * len(old)
    grown = max(new[0], min(wanted, wanted + surge - total_old)) if new[0] <= wanted else wanted
    # An old Pod that is not available serves nobody: it goes first, and at no cost.
    available = new[1] + sum(ready for _, ready in old)
    spare = max(0, available - (wanted - unavailable))
    shrunk = []
    for size, ready in old:
        healthy = min(ready, size)
        goes = min(healthy, spare)
        spare -= goes
        shrunk.append(healthy - goes)
    return grown, shrunk


def _pods(value: Any, wanted: int, rounding: Any) -> int:
    if isinstance(value, str) and value.endswith("%"):
        return int(rounding(wanted * float(value[:-1]) / 100))
    return int(value)
