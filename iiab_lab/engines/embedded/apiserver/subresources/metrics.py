"""GET of metrics.k8s.io/v1beta1 → what Pods and the Node use, as measured last: what `kubectl top` asks for.

Nothing of it is stored. As with metrics-server, a Pod appears once all its containers are measured, and is not found before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

from starlette.responses import Response

from .....errors import ApiError
from ...objects import selectors
from ...objects.kinds import NODE, POD
from ...objects.meta import Object, labels_of
from ...objects.sandbox import Usage
from ...objects.times import rfc3339
from .. import status
from ..resources import Call
from . import Handler, VirtualKind

_GROUP, _VERSION = "metrics.k8s.io", "v1beta1"
_API = f"{_GROUP}/{_VERSION}"
_VERBS = ("get", "list")
PODS = VirtualKind(_GROUP, _VERSION, "PodMetrics", "pods", True, _VERBS)
NODES = VirtualKind(_GROUP, _VERSION, "NodeMetrics", "nodes", False, _VERBS)


class Meter(Protocol):
    def usage(self, uid: str) -> Mapping[str, Usage]:
        """Of each container of a Pod, by its uid; nothing until all are measured."""
        ...

    def node(self) -> Usage | None:
        """Of the whole machine."""
        ...


def handlers(meter: Meter) -> dict[VirtualKind, Handler]:
    def pod(obj: Object) -> Object | None:
        used = meter.usage(obj["metadata"]["uid"])
        if not used:
            return None
        oldest = min(used.values(), key=lambda usage: usage.timestamp)
        containers = [{"name": name, "usage": _amounts(usage)} for name, usage in sorted(used.items())]
        return _metrics(PODS, obj, oldest) | {"containers": containers}

    def node(obj: Object) -> Object | None:
        used = meter.node()
        return _metrics(NODES, obj, used) | {"usage": _amounts(used)} if used else None

    return {PODS: _answering(PODS, pod), NODES: _answering(NODES, node)}


def _answering(kind: VirtualKind, made: Callable[[Object], Object | None]) -> Handler:
    about = POD if kind is PODS else NODE

    async def answer(call: Call) -> Response:
        if call.info.name:
            obj = call.store.read(about, call.info.key)
            found = made(obj) if obj else None
            if found is None:
                name = f"{call.info.namespace}/{call.info.name}" if kind.namespaced else call.info.name
                raise ApiError(404, "NotFound", f'{kind.kind.lower()}.{_GROUP} "{name}" not found')
            return status.json(_table([found]) if call.form.shape == "Table" else found)
        chosen = filter(_selected(call), call.store.read_all(about, call.info.namespace or None))
        items = [item for obj in chosen if (item := made(obj)) is not None]
        if call.form.shape == "Table":
            return status.json(_table(items))
        return status.json({"kind": f"{kind.kind}List", "apiVersion": _API, "metadata": {}, "items": items})

    return answer


def _selected(call: Call) -> Callable[[Object], bool]:
    try:
        labels = selectors.parse(call.query.get("labelSelector", ""))
        fields = selectors.parse_fields(call.query.get("fieldSelector", ""))
    except ValueError as error:
        raise ApiError(400, "BadRequest", str(error), "write KEY=VALUE,…") from error
    known = ("metadata.name", "metadata.namespace")
    if strange := [field for field, _, _ in fields if field not in known]:
        raise ApiError(400, "BadRequest", f"field label not supported: {strange[0]}", f"choose of: {', '.join(known)}")

    def chosen(obj: Object) -> bool:
        named = {field: obj["metadata"].get(field.partition(".")[2], "") for field in known}
        return selectors.holds(labels, labels_of(obj)) and selectors.holds(fields, named)

    return chosen


def _metrics(kind: VirtualKind, obj: Object, usage: Usage) -> Object:
    meta = {name: obj["metadata"][name] for name in ("name", "namespace", "labels") if name in obj["metadata"]}
    at = rfc3339(usage.timestamp)
    return {
        "kind": kind.kind,
        "apiVersion": _API,
        "metadata": meta | {"creationTimestamp": at},
        "timestamp": at,
        "window": f"{usage.window:.3f}s",
    }


def _amounts(usage: Usage) -> dict[str, str]:
    return {"cpu": f"{round(usage.cpu * 10**9)}n", "memory": f"{usage.memory // 1024}Ki"}


def _table(items: Iterable[Object]) -> Object:
    names = (("Name", "name"), ("cpu", "quantity"), ("memory", "quantity"), ("Window", "duration"))
    columns = [
        {"name": name, "type": "string", "format": form, "description": "", "priority": 0} for name, form in names
    ]
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": {},
        "columnDefinitions": columns,
        "rows": [{"cells": _cells(item), "object": _partial(item)} for item in items],
    }


def _cells(item: Object) -> list[Any]:
    amounts = [container["usage"] for container in item["containers"]] if "containers" in item else [item["usage"]]
    cpu, memory = (sum(int(of[name].rstrip("nKi")) for of in amounts) for name in ("cpu", "memory"))
    return [item["metadata"]["name"], f"{-(-cpu // 10**6)}m", f"{memory // 1024}Mi", item["window"]]


def _partial(item: Object) -> Object:
    return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": item["metadata"]}
