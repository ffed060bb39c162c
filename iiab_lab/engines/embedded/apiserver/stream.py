"""A watch request → JSON lines, one per change, for as long as the client stays.

An object that enters or leaves the selection of a watch is ADDED or DELETED for it, whatever happened in the store.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import orjson
from starlette.responses import Response, StreamingResponse

from ....errors import ApiError
from ..store.watch import Change, Watch
from . import status, tables
from .resources import Call, in_version, selected

_BOOKMARK_SECONDS = 60.0
_MAX_SECONDS = 1800.0


async def watch(call: Call) -> Response:
    since = call.query.get("resourceVersion", "")
    from_now = since in ("", "0") or call.query.get("sendInitialEvents") == "true"
    if not from_now and not since.isdigit():
        raise ApiError(
            400, "BadRequest", f"invalid resource version {since!r}", "list, then watch from the list's resourceVersion"
        )
    opened = call.store.watch(call.resource.stored, call.info.namespace or None, None if from_now else int(since))
    return StreamingResponse(_lines(call, opened, call.store.revision), media_type="application/json")


async def _lines(call: Call, opened: Watch, revision: int) -> AsyncIterator[bytes]:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + min(float(call.query.get("timeoutSeconds") or _MAX_SECONDS), _MAX_SECONDS)
    bookmarks = call.query.get("allowWatchBookmarks") in ("1", "true")
    initial = call.query.get("sendInitialEvents") == "true"
    holds = selected(call)
    if initial:
        for _ in range(opened.initial):
            if line := _line(call, opened.take(), holds):
                yield line
        yield _bookmark(call, revision, {"k8s.io/initial-events-end": "true"})
    try:
        while (left := deadline - loop.time()) > 0:
            try:
                change = await asyncio.wait_for(anext(opened), min(left, _BOOKMARK_SECONDS))
            except TimeoutError:
                if bookmarks and left > _BOOKMARK_SECONDS:
                    yield _bookmark(call, call.store.revision, {})
                continue
            if line := _line(call, change, holds):
                yield line
    except ApiError as error:
        yield orjson.dumps({"type": "ERROR", "object": status.body(error)}) + b"\n"
    except StopAsyncIteration:
        return
    finally:
        opened.close()


def _line(call: Call, change: Change, holds: Any) -> bytes:
    now = change.type != "DELETED" and holds(change.entry)
    before = change.before is not None and holds(change.before)
    if not now and not before:
        return b""
    kind = "DELETED" if not now else "MODIFIED" if before else "ADDED"
    entry = change.entry
    if tables.wanted(call.request):
        shown = orjson.dumps(tables.table(call.resource, [entry.object()], str(entry.revision), call.query))
    else:
        shown = in_version(call, entry.raw)
    return b'{"type":"' + kind.encode() + b'","object":' + shown + b"}\n"


def _bookmark(call: Call, revision: int, annotations: dict[str, str]) -> bytes:
    kind = call.resource.kind
    meta: dict[str, Any] = {"resourceVersion": str(revision)} | ({"annotations": annotations} if annotations else {})
    return (
        orjson.dumps(
            {
                "type": "BOOKMARK",
                "object": {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": meta},
            }
        )
        + b"\n"
    )
