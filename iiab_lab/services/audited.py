"""Every request of a service → one line of JSON on its output, as the proxies write them: who it was by name, never by secret.

A proxy sees a cookie or a client's secret go by; only the service knows whose it is. Whoever finds that out says so with
`known_as`; without it, the request is nobody's.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection

_KEY = "audited"


def known_as(request: HTTPConnection, actor: str, tenant: str = "") -> None:
    """Of a request that proved who it is."""
    request.scope.setdefault("state", {})[_KEY] = {"actor": actor, "tenant": tenant}


class Audited:
    """`silent`: paths that probes and Prometheus ask for all the time."""

    def __init__(self, app: Any, silent: Collection[str] = ()) -> None:
        self._app, self._silent = app, frozenset(silent)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or scope["path"] in self._silent:
            await self._app(scope, receive, send)
            return
        began, code = datetime.now(UTC), 0
        state = scope.setdefault("state", {})

        async def sending(message: Any) -> None:
            nonlocal code
            if message["type"] == "http.response.start":
                code = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, sending)
        finally:
            headers = Headers(scope=scope)
            line = {
                "time": began.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
                "request_id": headers.get("x-request-id", ""),
                "method": scope["method"],
                "path": scope["path"],
                "host": headers.get("host", ""),
                "code": code,
                **state.get(_KEY, {}),
            }
            print(json.dumps(line), file=sys.stdout, flush=True)
