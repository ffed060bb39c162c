"""Written routes and policies → once the gateway says of each that it has it; a refusal of the gateway is ours.

Of what is deleted no status is left to say so: then the edge itself is asked, without a key, until it knows the door no more.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from ..edge import NAME, Edge
from ..errors import Refused
from ..platform import ROUTE, SECURITY, TRAFFIC, Kind, Object, Platform

_SECONDS = 20.0
_LOOK, _SHUT = 0.01, 5.0
_JUDGED = (ROUTE, SECURITY, TRAFFIC)


def await_in_force(platform: Platform, written: list[Object], seconds: float = _SECONDS) -> None:
    """Raises 400 with the gateway's reason, 504 where it says nothing in time."""
    deadline = time.monotonic() + seconds
    for obj in written:
        if Kind(obj["apiVersion"], obj["kind"]) in _JUDGED:
            _await(platform, obj, deadline)


def await_shut(edge: Edge, doors: Iterable[tuple[str, str]], seconds: float = _SHUT) -> None:
    """Returns in any case: an edge that is slow or away keeps nobody from taking a model back."""
    deadline = time.monotonic() + seconds
    for host, path in doors:
        while _is_open(edge, host, path) and time.monotonic() < deadline:
            time.sleep(_LOOK)


def _is_open(edge: Edge, host: str, path: str) -> bool:
    try:
        return edge.send("GET", host, path, {}).status_code != 404
    except Refused:
        return False


def _await(platform: Platform, obj: Object, deadline: float) -> None:
    meta = obj["metadata"]
    kind, name = Kind(obj["apiVersion"], obj["kind"]), meta["name"]
    while (left := deadline - time.monotonic()) > 0:
        for state in platform.states(kind, name, meta["namespace"], left):
            verdict = _verdict(state, meta.get("generation", 1))
            if verdict.get("status") == "True":
                return
            if verdict:
                raise Refused(400, "The gateway refuses the configuration", str(verdict.get("message", "")))
    raise Refused(504, "The gateway did not take the configuration in time", f"kubectl describe {kind.kind} {name}")


def _verdict(obj: Object, generation: int) -> Object:
    """The condition Accepted of our Gateway, about this generation; {} where there is none yet."""
    status: dict[str, Any] = obj.get("status") or {}
    for parent in [*(status.get("parents") or ()), *(status.get("ancestors") or ())]:
        if (parent.get("parentRef") or parent.get("ancestorRef") or {}).get("name") != NAME:
            continue
        for item in parent["conditions"]:
            if item["type"] == "Accepted" and item.get("observedGeneration", 0) >= generation:
                return dict(item)
    return {}
