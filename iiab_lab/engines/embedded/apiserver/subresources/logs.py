"""GET pods/NAME/log: the file a container's output goes to → text, followed as it grows where asked to.

`since…` and `timestamps` come from the file beside it that says how far it had grown at which second: a line's time is when
it was seen, a second late at most.
"""

from __future__ import annotations

import asyncio
import bisect
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from starlette.responses import PlainTextResponse, Response, StreamingResponse

from ..... import holes
from .....errors import ApiError
from ...objects import times
from ...objects.kinds import Key
from ...objects.meta import Object
from .. import query
from ..resources import Call, require
from . import Handler

# (pod, uid, container, attempt) → file
LogPath = Callable[[Key, str, str, int], Path]
Marks = list[tuple[float, int]]  # (seconds since the epoch, size of the file then)
_CHUNK = 64 * 1024
_LOOK_AGAIN = 0.1


def make(log_path: LogPath, now: Callable[[], float]) -> Handler:
    async def log(call: Call) -> Response:
        if call.info.verb != "get":
            raise ApiError(405, "MethodNotAllowed", "logs are read by GET")
        pod = require(call).object()
        container = _container(pod, call.query.get("container", ""))
        attempt = _attempt(pod, container, query.flag(call.query, "previous"))
        file = log_path(call.info.key, pod["metadata"]["uid"], container, attempt)
        stamped = query.flag(call.query, "timestamps")
        content, size = await asyncio.to_thread(_shown, file, call.query, now(), stamped)
        if not query.flag(call.query, "follow"):
            return PlainTextResponse(content)
        following = Following(call, file, container, attempt, now if stamped else None)
        return StreamingResponse(following.lines(content, size), media_type="text/plain")

    return log


def _shown(file: Path, asked: query.Query, now: float, stamped: bool) -> tuple[bytes, int]:
    """What of the file was asked for, and how far it was read."""
    (first, content), since = _read(file), _since(asked, now)
    marks = _marks(file) if stamped or since is not None else []
    start = max(first, _offset(marks, since)) if since is not None else first
    chosen = content[start - first :]
    if stamped:
        chosen = _stamped(chosen, start, marks, now)
    return _tail(chosen, query.number(asked, "tailLines"), query.number(asked, "limitBytes")), first + len(content)


def _since(asked: query.Query, now: float) -> float | None:
    seconds, at = query.number(asked, "sinceSeconds"), asked.get("sinceTime")
    if seconds is not None and at:
        raise ApiError(400, "BadRequest", "at most one of sinceTime or sinceSeconds may be specified")
    try:
        return times.seconds(at) if at else None if seconds is None else now - seconds
    except ValueError as error:
        raise ApiError(400, "BadRequest", f"sinceTime: {at!r} is no time", "write 2026-01-31T12:00:00Z") from error


def _marks(file: Path) -> Marks:
    try:
        lines = file.with_suffix(".times").read_text().splitlines()
    except FileNotFoundError:
        return []
    return [(float(line.split()[0]), int(line.split()[1])) for line in lines if line.count(" ") == 1]


def _offset(marks: Marks, since: float) -> int:
    """Where the first byte stands that was seen since then; what is not marked yet is new."""
    index = bisect.bisect_left(marks, (since, 0))
    return marks[index - 1][1] if index else 0


def _stamped(content: bytes, start: int, marks: Marks, now: float) -> bytes:
    made, at = [], start
    ends = [size for _, size in marks]
    for line in content.splitlines(keepends=True):
        at += len(line)
        index = bisect.bisect_left(ends, at)
        seen = marks[index][0] if index < len(marks) else now
        made.append(times.rfc3339_micro(seen).encode() + b" " + line)
    return b"".join(made)


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


def _read(file: Path) -> tuple[int, bytes]:
    """Where what is left of the file begins, at the start of a line, and what that is."""
    try:
        with file.open("rb") as opened:
            first = opened.seek(holes.first_byte(opened.fileno()))
            cut = opened.readline() if first else b""
            return first + len(cut), opened.read()
    except FileNotFoundError:
        return 0, b""


def _tail(content: bytes, lines: int | None, limit: int | None) -> bytes:
    if lines is not None:
        content = b"".join(content.splitlines(keepends=True)[-lines:]) if lines else b""
    return content if limit is None else content[:limit]


class Following:
    """What comes after what was shown, until the container has ended and its file is read to the end."""

    def __init__(self, call: Call, file: Path, container: str, attempt: int, stamp: Callable[[], float] | None) -> None:
        self._call, self._file, self._container, self._attempt, self._stamp = call, file, container, attempt, stamp

    async def lines(self, shown: bytes, offset: int) -> AsyncIterator[bytes]:
        yield shown
        while True:
            ended = _ended(self._call, self._container, self._attempt)
            if await asyncio.to_thread(_size, self._file) < offset:
                offset = 0  # it was rotated
            while True:
                offset, chunk = await asyncio.to_thread(_read_from, self._file, offset)
                if not chunk:
                    break
                yield _stamped(chunk, 0, [], self._stamp()) if self._stamp else chunk
            if ended or await self._call.request.is_disconnected():
                return
            await asyncio.sleep(_LOOK_AGAIN)


def _size(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0


def _read_from(file: Path, offset: int) -> tuple[int, bytes]:
    """Up to which byte was read, and what; what is gone already is passed over."""
    try:
        with file.open("rb") as opened:
            chunk = opened.read(_CHUNK) if opened.seek(holes.first_byte(opened.fileno(), offset)) >= offset else b""
            return opened.tell() if chunk else offset, chunk
    except FileNotFoundError:
        return offset, b""


def _ended(call: Call, container: str, attempt: int) -> bool:
    entry = call.store.get(call.resource.stored, call.info.key)
    if entry is None:
        return True
    found = _status(entry.object(), container)
    return found.get("restartCount", 0) > attempt or "running" not in (found.get("state") or {})
