"""What a request is refused with: a status and `{"error", "details"}`, for every route the same."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


class Refused(Exception):
    """`details` says what to do about it."""

    def __init__(self, status: int, error: str, details: str = "", headers: Mapping[str, str] | None = None) -> None:
        super().__init__(error)
        self.status, self.error, self.details, self.headers = status, error, details, dict(headers or {})

    def body(self) -> dict[str, str]:
        return {"error": self.error} | ({"details": self.details} if self.details else {})


def of_api(error: Any) -> Refused:
    """A refusal of the Kubernetes API (ApiException, DynamicApiError) → ours: its message, never its internals."""
    try:
        said = str(json.loads(error.body)["message"])
    except (TypeError, ValueError, KeyError):
        said = str(error.reason)
    if error.status == 403 and ": exceeded quota: " in said:
        return Refused(403, "A quota of the tenant is used up", said)
    status = error.status if error.status in (400, 403, 404, 409, 422) else 502
    # What the API server calls unprocessable is for our callers a bad request; our own rights are not theirs.
    status = {422: 400, 403: 502 if "forbidden: User" in said else 400}.get(status, status)
    return Refused(status, "The platform refused the request", said)
