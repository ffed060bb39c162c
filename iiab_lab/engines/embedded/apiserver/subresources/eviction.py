"""POST pods/NAME/eviction (policy/v1 Eviction) → the Pod deleted, as `kubectl drain` asks for it.

No PodDisruptionBudget is served, so none can refuse.
"""

from __future__ import annotations

from starlette.responses import Response

from .....errors import ApiError
from .. import bodies, query, status
from ..resources import Call, require


async def evict(call: Call) -> Response:
    if call.info.verb != "create":
        raise ApiError(405, "MethodNotAllowed", "an eviction is requested by POST")
    require(call)
    given = await bodies.parsed(call.request)
    options = (given.get("deleteOptions") or {}) if isinstance(given, dict) else {}
    await call.store.delete(call.resource.kind, call.info.key, **query.delete_options(call.query, options))
    return status.json(status.success(), 201)
