"""POST serviceaccounts/NAME/token (TokenRequest) → a signed token, bound to the account, that expires."""

from __future__ import annotations

from collections.abc import Callable

from starlette.responses import Response

from .....errors import ApiError
from ...store.metadata import stamp
from .. import status
from ..authn import ISSUER, Tokens
from ..resources import Call, json_body, require
from . import Handler

_LEAST, _DEFAULT, _MOST = 600, 3600, 48 * 3600


def make(tokens: Tokens, now: Callable[[], float]) -> Handler:
    async def token(call: Call) -> Response:
        require(call)
        if call.info.verb != "create":
            raise ApiError(405, "MethodNotAllowed", "a token is requested by POST")
        given = await json_body(call)
        spec = (given.get("spec") or {}) if isinstance(given, dict) else {}
        seconds = spec.get("expirationSeconds") or _DEFAULT
        if not isinstance(seconds, int) or seconds < _LEAST:
            raise ApiError(
                422,
                "Invalid",
                f"spec.expirationSeconds: Invalid value: {seconds}: may not specify a duration less than 10 minutes",
            )
        seconds = min(seconds, _MOST)
        audience = (spec.get("audiences") or [ISSUER])[0]
        issued = tokens.issue(call.info.namespace, call.info.name, seconds, audience)
        return status.json(
            {
                "kind": "TokenRequest",
                "apiVersion": "authentication.k8s.io/v1",
                "metadata": {"name": call.info.name, "namespace": call.info.namespace},
                "spec": {"audiences": [audience], "expirationSeconds": seconds},
                "status": {"token": issued, "expirationTimestamp": stamp(now() + seconds)},
            },
            201,
        )

    return token
