"""An ApiError → the `Status` object and HTTP code every Kubernetes client understands."""

from __future__ import annotations

from typing import Any

import orjson
from starlette.responses import Response

from ....errors import ApiError


def body(error: ApiError) -> dict[str, Any]:
    message = f"{error.message} ({error.cure})" if error.cure else error.message
    made = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": error.reason,
        "code": error.code,
    }
    return made | ({"details": error.details} if error.details else {})


def response(error: ApiError) -> Response:
    headers = {"WWW-Authenticate": "Bearer"} if error.code == 401 else {}
    return json(body(error), error.code, headers)


def success(**more: Any) -> dict[str, Any]:
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"} | more


def json(value: Any, code: int = 200, headers: dict[str, str] | None = None) -> Response:
    content = value if isinstance(value, bytes) else orjson.dumps(value)
    return Response(content, code, headers, "application/json")
