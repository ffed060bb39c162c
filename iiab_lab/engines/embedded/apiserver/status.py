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


class Refusal(Response):
    """A Status of failure, which knows what it says (the audit log asks)."""

    def __init__(self, error: ApiError) -> None:
        headers = {401: {"WWW-Authenticate": "Bearer"}, 429: {"Retry-After": "1"}}.get(error.code)
        super().__init__(orjson.dumps(body(error)), error.code, headers, "application/json")
        self.error = error


def response(error: ApiError) -> Response:
    return Refusal(error)


def refusal(response: Response) -> tuple[str, str]:
    """(reason, message) of a refusal, else nothing."""
    return (response.error.reason, response.error.message) if isinstance(response, Refusal) else ("", "")


def invalid(field: str, message: str) -> ApiError:
    """422 for an option of a request, as Kubernetes refuses ListOptions and the like."""
    error = ApiError(422, "Invalid", f"{field}: {message}")
    error.details = {"causes": [{"reason": "FieldValueInvalid", "message": message, "field": field}]}
    return error


def success(**more: Any) -> dict[str, Any]:
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"} | more


def json(value: Any, code: int = 200, headers: dict[str, str] | None = None) -> Response:
    content = value if isinstance(value, bytes) else orjson.dumps(value)
    return Response(content, code, headers, "application/json")
