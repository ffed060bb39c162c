"""GET pods/NAME/log: the file a container's output goes to → text, followed as it grows where asked to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from starlette.responses import PlainTextResponse, Response, StreamingResponse

from .....errors import ApiError
from ...objects.kinds import Key
from ...objects.meta import Object
from ..resources import Call, require
from . import Handler

# (pod, uid, container, attempt) → file
LogPath = Callable[[Key, str, str, int], Path]
_CHUNK = 64 * 1024
_LOOK_AGAIN = 0.1


def make(log_path: LogPath) -> Handler:
    async def log(call: Call) -> Response:
        pod = require(call).object()
        container = _container(pod, call.query.get("container", ""))
        attempt = _attempt(pod, container, call.query.get("previous") in ("1", "true"))
        meta = pod["metadata"]
        file = log_path(call.info.key, meta["uid"], container, attempt)
        content = _tail(await asyncio.to_thread(_read, file), call)
        if call.query.get("follow") not in ("1", "true"):
            return PlainTextResponse(content)
        return StreamingResponse(_follow(call, file, content, container, attempt), media_type="text/plain")

    return log


def _container(pod: Object, wanted: str) -> str:
    names = [c["name"] for c in (*pod["spec"]["containers"], *(pod["spec"].get("initContainers") or ()))]
    annotated = (pod["metadata"].get("annotations") or {}).get("kubectl.kubernetes.io/default-container")
    chosen = wanted or annotated or names[0]
    if chosen not in names:
        raise ApiError(
            400,
            "BadRequest",
            f"container {chosen} is not valid for pod {pod['metadata']['name']}",
            f"choose one of: {', '.join(names)}",
        )
    return chosen


def _status(pod: Object, container: str) -> Object:
    status = pod.get("status") or {}
    found = (*(status.get("containerStatuses") or ()), *(status.get("initContainerStatuses") or ()))
    return next((item for item in found if item["name"] == container), {})


def _attempt(pod: Object, container: str, previous: bool) -> int:
    found = _status(pod, container)
    waiting = (found.get("state") or {}).get("waiting") or {}
    restarts = int(found.get("restartCount", 0))
    name = pod["metadata"]["name"]
    if previous:
        if not found.get("lastState"):
            raise ApiError(400, "BadRequest", f'previous terminated container "{container}" in pod "{name}" not found')
        return restarts - 1 if found.get("state", {}).get("running") or restarts else restarts
    if not found or (waiting and not found.get("lastState")):
        reason = waiting.get("reason") or "ContainerCreating"
        raise ApiError(400, "BadRequest", f'container "{container}" in pod "{name}" is waiting to start: {reason}')
    return restarts


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except FileNotFoundError:
        return b""


def _tail(content: bytes, call: Call) -> bytes:
    lines, limit = _number(call, "tailLines"), _number(call, "limitBytes")
    if lines is not None:
        content = b"".join(content.splitlines(keepends=True)[-lines:]) if lines else b""
    return content if limit is None else content[:limit]


def _number(call: Call, name: str) -> int | None:
    given = call.query.get(name)
    if given is None:
        return None
    if not given.isdecimal():
        raise ApiError(400, "BadRequest", f"{name} is no whole number: {given!r}", f"write {name}=100")
    return int(given)


async def _follow(call: Call, file: Path, shown: bytes, container: str, attempt: int) -> AsyncIterator[bytes]:
    """What is there, then what comes, until the container has ended and its file is read to the end."""
    yield shown
    offset = (await asyncio.to_thread(_read, file)).__len__()
    while True:
        ended = _ended(call, container, attempt)
        if await asyncio.to_thread(_size, file) < offset:
            offset = 0  # it was rotated
        while chunk := await asyncio.to_thread(_read_from, file, offset):
            offset += len(chunk)
            yield chunk
        if ended or await call.request.is_disconnected():
            return
        await asyncio.sleep(_LOOK_AGAIN)


def _size(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0


def _read_from(file: Path, offset: int) -> bytes:
    try:
        with file.open("rb") as opened:
            opened.seek(offset)
            return opened.read(_CHUNK)
    except FileNotFoundError:
        return b""


def _ended(call: Call, container: str, attempt: int) -> bool:
    entry = call.store.get(call.resource.stored, call.info.key)
    if entry is None:
        return True
    found = _status(entry.object(), container)
    return found.get("restartCount", 0) > attempt or "running" not in (found.get("state") or {})
