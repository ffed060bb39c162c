"""CertificateSigningRequests: who asks is written down by the server, and PUT …/approval adds the decision alone."""

from __future__ import annotations

from starlette.responses import Response

from .....errors import ApiError
from ...objects.meta import Object
from .. import bodies, represent
from ..resources import Call, require

_DECISIONS = ("Approved", "Denied")


def asked(call: Call, new: Object | None, old: Object | None) -> None:
    """Whatever the client says of itself is replaced by what it is."""
    if new is not None and old is None:
        given = {name: new["spec"].pop(name, None) for name in ("username", "uid", "groups", "extra")}
        info = call.user.info()
        new["spec"] |= {name: info[name] for name in given if info.get(name)}


async def decide(call: Call) -> Response:
    if call.info.verb not in ("update", "patch"):
        raise ApiError(405, "MethodNotAllowed", "a decision is made by PUT")
    stored, given = require(call).object(), await bodies.parsed(call.request, "application/merge-patch+json")
    status: Object = (given.get("status") or {}) if isinstance(given, dict) else {}
    decisions = [c for c in status.get("conditions") or () if isinstance(c, dict) and c.get("type") in _DECISIONS]
    kept = [c for c in (stored.get("status") or {}).get("conditions") or () if c["type"] not in _DECISIONS]
    held = {c["type"] for c in (stored.get("status") or {}).get("conditions") or ()}
    if held & set(_DECISIONS) and {c["type"] for c in decisions} != held & set(_DECISIONS):
        raise ApiError(422, "Invalid", "status.conditions: a decision cannot be taken back", "make a new request")
    stored["status"] = {**(stored.get("status") or {}), "conditions": [*kept, *decisions]}
    stored["metadata"].pop("resourceVersion")
    entry = await call.store.update(
        call.resource.kind, stored, subresource="status", writer=call.writer, dry_run=call.dry_run
    )
    return represent.one(call, entry)
