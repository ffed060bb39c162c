"""POST of an autoscaling/v1 HorizontalPodAutoscaler → the same in autoscaling/v2, which is what is stored and read.

The older version knows one metric, a share of the requested CPU. kubectl autoscale sends it up to release 1.32.
"""

from __future__ import annotations

from starlette.responses import Response

from .....errors import ApiError
from ...objects.kinds import HORIZONTAL_POD_AUTOSCALER
from ...objects.meta import Object
from .. import bodies, status
from ..resources import Call
from . import Handler, VirtualKind

_KIND = HORIZONTAL_POD_AUTOSCALER
V1 = VirtualKind(_KIND.group, "v1", _KIND.kind, _KIND.plural, True)
_SHARE = "targetCPUUtilizationPercentage"


def handlers() -> dict[VirtualKind, Handler]:
    return {V1: _create}


async def _create(call: Call) -> Response:
    given = await bodies.parsed(call.request)
    spec = given.get("spec") if isinstance(given, dict) else None
    if not isinstance(spec, dict) or not isinstance(given.get("metadata"), dict):
        raise ApiError(400, "BadRequest", "the body is no HorizontalPodAutoscaler", "send metadata and spec")
    meta = given["metadata"] | {"namespace": call.info.namespace}
    made = {"apiVersion": _KIND.api_version, "kind": _KIND.kind, "metadata": meta, "spec": _spec(spec)}
    entry = await call.store.create(_KIND, made, **call.written)
    stored = entry.object()
    shown = spec | {"minReplicas": stored["spec"]["minReplicas"]}
    return status.json(
        {"apiVersion": "autoscaling/v1", "kind": V1.kind, "metadata": stored["metadata"], "spec": shown}, 201
    )


def _spec(spec: Object) -> Object:
    kept = {name: value for name, value in spec.items() if name != _SHARE}
    if spec.get(_SHARE) is None:
        return kept
    target = {"type": "Utilization", "averageUtilization": spec[_SHARE]}
    return kept | {"metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]}
