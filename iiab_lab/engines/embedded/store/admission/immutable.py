"""What an update may not touch, kind by kind: Kubernetes' immutable fields and the words it refuses them with."""

from __future__ import annotations

from typing import Any

import orjson

from ...objects.meta import Object
from ..structural import invalid
from . import Admit, Plugin

_IMMUTABLE = "field is immutable"
_POD = (
    "Forbidden: pod updates may not change fields other than `spec.containers[*].image`, `spec.initContainers[*].image`, "
    "`spec.activeDeadlineSeconds`, `spec.tolerations` (only additions to existing tolerations)"
)
_CLAIM = "Forbidden: spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims"
_POD_MUTABLE = ("activeDeadlineSeconds", "tolerations", "terminationGracePeriodSeconds")


def fields(*paths: str, message: str = _IMMUTABLE, removable: bool = False) -> Plugin:
    """A plug-in that refuses an update of any of these fields; one that was never set may be set."""

    def check(admit: Admit) -> Object | None:
        if admit.object is None or admit.old is None or admit.subresource:
            return admit.object
        for path in paths:
            before, after = _at(admit.old, path), _at(admit.object, path)
            if before is not None and before != after and not (removable and after is None):
                raise _refused(admit, path, f"Invalid value: {_shown(after)}: {message}")
        return admit.object

    return check


def sealed(*contents: str) -> Plugin:
    """ConfigMap and Secret: their contents, once `immutable: true` is set, and that itself."""

    def check(admit: Admit) -> Object | None:
        obj, old = admit.object, admit.old
        if obj is None or old is None or not old.get("immutable"):
            return obj
        for path in ("immutable", *contents):
            if obj.get(path) != old.get(path):
                raise _refused(admit, path, "Forbidden: field is immutable when `immutable` is set")
        return obj

    return check


def claim(admit: Admit) -> Object | None:
    """A PersistentVolumeClaim's spec but for what it requests."""
    if admit.object is None or admit.old is None or admit.subresource:
        return admit.object
    before, after = ({**(obj.get("spec") or {}), "resources": None} for obj in (admit.old, admit.object))
    if before != after:
        raise _refused(admit, "spec", _CLAIM)
    return admit.object


def pod(admit: Admit) -> Object | None:
    """A Pod's spec but for its images; the node is set once."""
    if admit.object is None or admit.old is None or admit.subresource:
        return admit.object
    before, after = _frozen(admit.old), _frozen(admit.object)
    if not before.get("nodeName"):
        after.pop("nodeName", None)
        before.pop("nodeName", None)
    tolerations = admit.object["spec"].get("tolerations") or ()
    kept = all(one in tolerations for one in admit.old["spec"].get("tolerations") or ())
    if before != after or not kept:
        raise _refused(admit, "spec", _POD)
    return admit.object


def _frozen(obj: Object) -> Object:
    spec = {name: value for name, value in obj["spec"].items() if name not in _POD_MUTABLE}
    for name in ("containers", "initContainers"):
        if name in spec:
            spec[name] = [{k: v for k, v in container.items() if k != "image"} for container in spec[name]]
    return spec


def _at(obj: Any, path: str) -> Any:
    for part in path.split("."):
        obj = obj.get(part) if isinstance(obj, dict) else None
    return obj


def _shown(value: Any) -> str:
    return orjson.dumps(value).decode()


def _refused(admit: Admit, path: str, message: str) -> Exception:
    obj = admit.object or {}
    return invalid(admit.kind.kind, admit.kind.group, obj["metadata"]["name"], [(path, message)])
