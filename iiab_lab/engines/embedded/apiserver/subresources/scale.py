"""GET, PUT and PATCH of …/scale: one number of an object, behind the paths its schema names (autoscaling/v1 Scale)."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from .....errors import ApiError
from ...objects.meta import Object
from .. import patch, status
from ..resources import Call, json_body, require


async def scale(call: Call) -> Response:
    entry = require(call)
    obj = entry.object()
    if call.info.verb == "get":
        return status.json(_scale(obj))
    given = await json_body(call, "application/merge-patch+json")
    wanted = patch.merge(_scale(obj), given) if call.info.verb == "patch" else given
    replicas = (wanted.get("spec") or {}).get("replicas", 0) if isinstance(wanted, dict) else None
    if not isinstance(replicas, int) or replicas < 0:
        raise ApiError(422, "Invalid", f"spec.replicas: Invalid value: {replicas!r}", "send a number of at least 0")
    obj["spec"]["replicas"] = replicas
    if call.info.verb == "patch":
        obj["metadata"].pop("resourceVersion")
    else:
        obj["metadata"]["resourceVersion"] = (wanted.get("metadata") or {}).get("resourceVersion") or entry.revision
        obj["metadata"]["resourceVersion"] = str(obj["metadata"]["resourceVersion"])
    stored = await call.store.update(call.resource.kind, obj, dry_run=call.dry_run)
    return status.json(_scale(stored.object()))


def _scale(obj: Object) -> dict[str, Any]:
    meta = {
        name: obj["metadata"][name] for name in ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    }
    labels = (obj["spec"].get("selector") or {}).get("matchLabels") or {}
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": meta,
        "spec": {"replicas": obj["spec"].get("replicas", 1)},
        "status": {
            "replicas": (obj.get("status") or {}).get("replicas", 0),
            "selector": ",".join(f"{k}={v}" for k, v in labels.items()),
        },
    }
