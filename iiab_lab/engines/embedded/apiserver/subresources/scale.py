"""GET, PUT and PATCH of …/scale: one number of an object, behind the paths its schema names (autoscaling/v1 Scale)."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from ...objects import selectors
from ...objects.meta import Object
from ...store.registry import Resource
from .. import bodies, patch, query, status, tables
from ..resources import Call, require

_PATHS = {
    "specReplicasPath": ".spec.replicas",
    "statusReplicasPath": ".status.replicas",
    "labelSelectorPath": ".status.selector",
}
_MERGES = ("application/merge-patch+json", "application/strategic-merge-patch+json")


async def scale(call: Call) -> Response:
    entry = require(call)
    obj = entry.object()
    shown = _scale(call.resource, obj)
    if call.info.verb == "get":
        return status.json(shown)
    wanted = await _wanted(call, shown)
    replicas = (wanted.get("spec") or {}).get("replicas", 0) if isinstance(wanted, dict) else None
    if not isinstance(replicas, int) or isinstance(replicas, bool) or replicas < 0:
        raise status.invalid("spec.replicas", f"Invalid value: {replicas!r}: must be greater than or equal to 0")
    _set(obj, _path(call.resource, "specReplicasPath"), replicas)
    version = (wanted.get("metadata") or {}).get("resourceVersion")
    obj["metadata"].pop("resourceVersion")
    if call.info.verb == "update" and version:
        obj["metadata"]["resourceVersion"] = version
    writer = call.writer._replace(subresource="scale")
    stored = await call.store.update(call.resource.kind, obj, writer=writer, dry_run=query.dry_run(call.query))
    return status.json(_scale(call.resource, stored.object()))


async def _wanted(call: Call, shown: Object) -> Any:
    if call.info.verb != "patch":
        return await bodies.parsed(call.request)
    kind, content = bodies.content_type(call.request), await bodies.read(call.request)
    if kind == "application/json-patch+json":
        return patch.json_patch(shown, bodies.from_json(content))
    if kind not in _MERGES:
        raise bodies.unsupported(kind, "application/json-patch+json", *_MERGES)
    return patch.merge(shown, bodies.from_json(content))


def _scale(resource: Resource, obj: Object) -> Object:
    names = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    selector = tables.lookup(obj, _path(resource, "labelSelectorPath")) or ""
    if isinstance(selector, dict):
        selector = selectors.written(selector)
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {name: obj["metadata"][name] for name in names if name in obj["metadata"]},
        "spec": {"replicas": tables.lookup(obj, _path(resource, "specReplicasPath")) or 0},
        "status": {
            "replicas": tables.lookup(obj, _path(resource, "statusReplicasPath")) or 0,
            "selector": selector,
        },
    }


def _path(resource: Resource, name: str) -> str:
    """The selector of Kubernetes' own kinds is in their spec."""
    default = ".spec.selector" if name == "labelSelectorPath" and resource.native else _PATHS[name]
    return str(resource.scale.get(name) or default)


def _set(obj: Object, path: str, value: int) -> None:
    *above, last = path.lstrip(".").split(".")
    for part in above:
        obj = obj.setdefault(part, {})
    obj[last] = value
