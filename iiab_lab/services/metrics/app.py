"""HTTP ⇄ Prometheus, for whoever a token says it is: the same API, confined to the caller's namespace.

Answers and errors have Prometheus' own form: {"status": "success", "data"} or {"status": "error", "errorType", "error"}.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import Any
from urllib.parse import parse_qsl

import orjson
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from ..audited import known_as
from ..management.callers import Caller, Callers
from ..management.errors import Refused
from .calls import confined, metadata, targets
from .upstream import Params, Upstream

_BODY = 64 << 10
# Of Prometheus' twenty queries at a time one tenant has so many; its others wait.
_AT_ONCE = 4
_CAUTION = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}
_TYPES = {
    400: "bad_data",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    422: "execution",
    503: "unavailable",
}
_POSTED = ("query", "query_range", "series", "labels")


def application(callers: Callers, upstream: Upstream) -> Starlette:
    running: dict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(_AT_ONCE))

    async def api(request: Request) -> Response:
        path = request.path_params["path"]
        try:
            who = await run_in_threadpool(_tenant, callers, request)
            given = await _params(request, path)
            async with running[who.tenant]:
                return await _answered(upstream, path, given, who.namespace)
        except Refused as refused:
            return _error(refused)

    async def health(_: Request) -> Response:
        return PlainTextResponse("OK")

    return Starlette(
        routes=[Route("/health", health), Route("/api/v1/{path:path}", api, methods=["GET", "POST"])],
        exception_handlers={404: _unknown, 405: _unknown},
    )


def _tenant(callers: Callers, request: Request) -> Caller:
    who = callers.identify(request)
    known_as(request, who.name, who.tenant)
    if who.is_admin:
        raise Refused(403, "This is a tenant's view", "the admin asks https://prometheus.inference-in-a-box")
    return who


async def _answered(upstream: Upstream, path: str, given: Params, namespace: str) -> Response:
    if path == "targets":
        return _success(await run_in_threadpool(targets, upstream, namespace))
    if path == "metadata":
        return _success(await run_in_threadpool(metadata, upstream, namespace, dict(given).get("metric", "")))
    # Parsing stays on this thread: it needs the deep stack that only the first one has everywhere.
    call = confined(path, given, namespace)
    ask = upstream.post if path in _POSTED else upstream.get
    answer = await run_in_threadpool(ask, call.path, call.params)
    return Response(answer.body, answer.status, _CAUTION, "application/json")


async def _params(request: Request, path: str) -> Params:
    """Of the body, then of the address, as Prometheus reads them."""
    said = list(request.query_params.multi_items())
    if request.method == "GET":
        return said
    if path not in _POSTED:
        raise Refused(405, "This is asked by GET", f"GET /api/v1/{path[:80]}")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _BODY:
            raise Refused(413, f"The body has more than {_BODY} bytes", "ask for less at a time")
    if body and not request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        raise Refused(415, "The body is no form", "send: Content-Type: application/x-www-form-urlencoded")
    return [*parse_qsl(body.decode(errors="replace")), *said]


def _success(data: Any) -> Response:
    return Response(orjson.dumps({"status": "success", "data": data}), 200, _CAUTION, "application/json")


def _error(refused: Refused) -> Response:
    text = f"{refused.error} → {refused.details}" if refused.details else refused.error
    said = {"status": "error", "errorType": _TYPES.get(refused.status, "bad_data"), "error": text}
    return Response(orjson.dumps(said), refused.status, _CAUTION | refused.headers, "application/json")


async def _unknown(request: Request, error: Any) -> Response:
    return _error(Refused(error.status_code, "There is no such page", "Prometheus' HTTP API is below /api/v1/"))
