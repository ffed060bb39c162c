"""A watch request → JSON lines, one per change, for as long as the client stays.

An object that enters or leaves the selection of a watch is ADDED or DELETED for it, whatever happened in the store.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import orjson
from starlette.responses import Response, StreamingResponse

from ....errors import ApiError
from ..store.watch import Change, Entry, Watch
from . import query, represent, status
from .resources import Call, selected

_BOOKMARK_SECONDS = 60.0
_MAX_SECONDS = 3600.0
# Lines that wait are sent in one piece, up to so many.
_TOGETHER = 500


async def watch(call: Call) -> Response:
    initial = _initial(call)
    since = None if initial else query.revision(call.query, call.store.revision)
    call.form  # noqa: B018 - an Accept header that cannot be met is refused before the stream begins
    seconds = query.number(call.query, "timeoutSeconds") or _MAX_SECONDS
    lines = Lines(
        call, selected(call), min(seconds, _MAX_SECONDS), bookmarks=query.flag(call.query, "allowWatchBookmarks")
    )
    try:
        opened = call.store.watch(call.resource.stored, call.info.namespace or None, since)
    except ApiError as error:  # history does not reach back so far, which clients look for in the stream
        return Response(_error(error), media_type="application/json")
    return StreamingResponse(lines.of(opened, call.store.revision if initial else None), media_type="application/json")


def _initial(call: Call) -> bool:
    """sendInitialEvents, which Kubernetes takes with resourceVersionMatch=NotOlderThan only."""
    initial, match = query.flag(call.query, "sendInitialEvents"), call.query.get("resourceVersionMatch", "")
    if initial != (match == "NotOlderThan"):
        needs = "resourceVersionMatch=NotOlderThan and sendInitialEvents=true must be set together for a watch"
        raise status.invalid("resourceVersionMatch", f"Forbidden: {needs}")
    query.revision(call.query, call.store.revision)
    return initial


class Lines:
    """What one client sees of a watch."""

    def __init__(self, call: Call, holds: Callable[[Entry], bool], seconds: float, *, bookmarks: bool) -> None:
        self._call, self._holds, self._bookmarks = call, holds, bookmarks
        self._loop = asyncio.get_running_loop()
        self._deadline = self._loop.time() + seconds

    async def of(self, opened: Watch, began: int | None) -> AsyncIterator[bytes]:
        """`began`: the revision of the initial state, where its end is to be marked."""
        try:
            if began is not None:
                yield b"".join([self._line(await anext(opened)) for _ in range(opened.initial)])
                yield self._bookmark(began, {"k8s.io/initial-events-end": "true"})
            while (left := self._deadline - self._loop.time()) > 0:
                if chunk := await self._chunk(opened, left):
                    yield chunk
        except ApiError as error:
            yield _error(error)
        except StopAsyncIteration:
            return
        finally:
            opened.close()

    async def _chunk(self, opened: Watch, left: float) -> bytes:
        """Everything that waits, or a bookmark when nothing came for long and nothing has come in the meantime."""
        try:
            first = await asyncio.wait_for(anext(opened), min(left, _BOOKMARK_SECONDS))
        except TimeoutError:
            due = self._bookmarks and left > _BOOKMARK_SECONDS and opened.idle
            return self._bookmark(self._call.store.revision, {}) if due else b""
        more = (opened.take() for _ in range(min(opened.waiting, _TOGETHER)))
        return b"".join(map(self._line, (first, *more)))

    def _line(self, change: Change) -> bytes:
        now = change.type != "DELETED" and self._holds(change.entry)
        before = change.before is not None and self._holds(change.before)
        if not now and not before:
            return b""
        kind = "DELETED" if not now else "MODIFIED" if before else "ADDED"
        entry = change.entry
        if change.type != "DELETED" and not now and change.before is not None:
            entry = _at(change.before, entry.revision)  # it left the selection: its last state within
        return b'{"type":"' + kind.encode() + b'","object":' + represent.event(self._call, entry) + b"}\n"

    def _bookmark(self, revision: int, annotations: dict[str, str]) -> bytes:
        return b'{"type":"BOOKMARK","object":' + represent.bookmark(self._call, revision, annotations) + b"}\n"


def _error(error: ApiError) -> bytes:
    return orjson.dumps({"type": "ERROR", "object": status.body(error)}) + b"\n"


def _at(entry: Entry, revision: int) -> Entry:
    obj = entry.object()
    obj["metadata"]["resourceVersion"] = str(revision)
    return Entry(entry.key, revision, orjson.dumps(obj))
