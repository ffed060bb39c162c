"""What either engine keeps in a home: one command at a time, status.json, and how a Pod is told of in it."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..errors import UsageError


@contextlib.contextmanager
def locked(home: Path) -> Iterator[None]:
    """One command at a time may change a home; a second one is refused."""
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    with open(home / "lock", "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UsageError(
                f"Another iiab command is changing the platform in {home}.", "wait for it, then try again"
            ) from error
        yield


def component(pod: dict[str, Any]) -> dict[str, Any]:
    status = pod.get("status") or {}
    containers = status.get("containerStatuses") or []
    conditions: list[dict[str, Any]] = status.get("conditions") or []
    ready = next((item for item in conditions if item["type"] == "Ready"), {})
    return {
        "name": f"{pod['metadata']['namespace']}/{pod['metadata']['name']}",
        "version": pod["spec"]["containers"][0]["image"],
        "ready": ready.get("status") == "True",
        "restarts": sum(item.get("restartCount", 0) for item in containers),
        "message": ready.get("message", ""),
    }


def write_json(path: Path, value: dict[str, Any]) -> None:
    temporary = path.with_suffix(f".{os.getpid()}.{time.monotonic_ns()}")
    temporary.write_text(json.dumps(value, indent=2))
    temporary.replace(path)
