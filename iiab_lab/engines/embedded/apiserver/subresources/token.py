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
        spec = await bodies.spec(call.request)
        seconds, audiences, bound = _seconds(spec), _audiences(spec), _bound(spec)
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


def _audiences(spec: Object) -> tuple[str, ...]:
    given = spec.get("audiences") or [ISSUER]
    if not isinstance(given, list) or not all(isinstance(item, str) for item in given):
        raise ApiError(400, "BadRequest", "spec.audiences must be a list of strings", "name those who are to accept it")
    return tuple(given)


def _bound(spec: Object) -> Object | None:
    given = spec.get("boundObjectRef") or None
    if given is None:
        return None
    if not isinstance(given, dict) or not all(isinstance(value, str) for value in given.values()):
        raise ApiError(400, "BadRequest", "spec.boundObjectRef must be a reference", 'send {"kind": …, "name": …}')
    return {"kind": "", "name": ""} | given


def _seconds(spec: Object) -> int:
    seconds = spec.get("expirationSeconds") or _DEFAULT
    if not isinstance(seconds, int) or isinstance(seconds, bool):
        raise ApiError(400, "BadRequest", "spec.expirationSeconds must be a whole number", "3600 is an hour")
    if seconds < _LEAST:
        less = f"Invalid value: {seconds}: may not specify a duration less than 10 minutes"
        raise status.invalid("spec.expirationSeconds", less)
    return min(seconds, _MOST)
