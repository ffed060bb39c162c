"""POST serviceaccounts/NAME/token (TokenRequest) → a signed token, bound to the account, that expires."""

from __future__ import annotations

from collections.abc import Callable

from starlette.responses import Response

from .....errors import ApiError
from ...objects.meta import Object
from ...store.metadata import stamp
from .. import bodies, status
from ..authn import ISSUER, Tokens
from ..resources import Call, require
from . import Handler

_LEAST, _DEFAULT, _MOST = 600, 3600, 48 * 3600


def make(tokens: Tokens, now: Callable[[], float]) -> Handler:
    async def token(call: Call) -> Response:
        if call.info.verb != "create":
            raise ApiError(405, "MethodNotAllowed", "a token is requested by POST")
        require(call)
        given = await bodies.parsed(call.request)
        spec: Object = (given.get("spec") or {}) if isinstance(given, dict) else {}
        seconds, audiences = _seconds(spec), tuple(map(str, spec.get("audiences") or (ISSUER,)))
        bound = spec.get("boundObjectRef")
        issued = tokens.issue(call.info.namespace, call.info.name, seconds, audiences, bound)
        made: Object = {
            "kind": "TokenRequest",
            "apiVersion": "authentication.k8s.io/v1",
            "metadata": {"name": call.info.name, "namespace": call.info.namespace, "creationTimestamp": stamp(now())},
            "spec": {"audiences": list(audiences), "expirationSeconds": seconds, "boundObjectRef": bound},
            "status": {"token": issued, "expirationTimestamp": stamp(now() + seconds)},
        }
        return status.json(made, 201)

    return token


def _seconds(spec: Object) -> int:
    seconds = spec.get("expirationSeconds") or _DEFAULT
    if not isinstance(seconds, int) or seconds < _LEAST:
        less = f"Invalid value: {seconds}: may not specify a duration less than 10 minutes"
        raise status.invalid("spec.expirationSeconds", less)
    return min(seconds, _MOST)
