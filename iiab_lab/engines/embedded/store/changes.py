"""What one write may change: preconditions, what a client cannot touch, what a deletion waits for."""

from __future__ import annotations

from typing import Any

import orjson

from ....errors import ApiError
from ..objects import times
from ..objects.kinds import Kind
from ..objects.meta import Object
from . import metadata
from .registry import Resource


def require_current(kind: Kind, given: Object, stored: Object) -> None:
    sent = given.get("resourceVersion")
    if (sent and sent != stored["resourceVersion"]) or (given.get("uid") and given["uid"] != stored["uid"]):
        raise ApiError(
            409,
            "Conflict",
            f'Operation cannot be fulfilled on {kind.resource} "{stored["name"]}": the object has been '
            "modified; please apply your changes to the latest version and try again",
            "read it again, then change it",
        )


def require_preconditions(kind: Kind, stored: Object, uid: str | None, revision: str | None) -> None:
    wrong = [
        f"{what} in precondition: {given}, {what} in object meta: {stored[name]}"
        for what, name, given in (("UID", "uid", uid), ("ResourceVersion", "resourceVersion", revision))
        if given and given != stored[name]
    ]
    if wrong:
        raise ApiError(
            409,
            "Conflict",
            f'Operation cannot be fulfilled on {kind.resource} "{stored["name"]}": Precondition failed: {wrong[0]}',
            "read it again",
        )


def of_subresource(resource: Resource, applied: Object, subresource: str) -> Object:
    """What of an applied object counts: its status alone through `status`, everything but its status otherwise."""
    if subresource == "status":
        return {name: applied[name] for name in ("apiVersion", "kind", "metadata", "status") if name in applied} | {
            "metadata": {"name": applied["metadata"]["name"]}
        }
    return {name: value for name, value in applied.items() if name != "status" or not resource.has_status}


def status_onto(old: Object, obj: Object) -> Object:
    new: Object = orjson.loads(orjson.dumps(old))
    new.pop("status", None)
    if "managedFields" in obj["metadata"]:
        new["metadata"]["managedFields"] = obj["metadata"]["managedFields"]
    return new | ({"status": obj["status"]} if obj.get("status") is not None else {})


def carry_over(resource: Resource, old: Object, obj: Object) -> Object:
    """What a client cannot change keeps its stored value."""
    meta = {name: value for name, value in obj["metadata"].items() if name not in metadata.SERVER_OWNED}
    meta |= {name: old["metadata"][name] for name in metadata.SERVER_OWNED if name in old["metadata"]}
    meta["resourceVersion"] = old["metadata"]["resourceVersion"]
    new = obj | {"metadata": meta, "apiVersion": old["apiVersion"], "kind": old["kind"]}
    if resource.has_status:
        new.pop("status", None)
        new |= {"status": old["status"]} if "status" in old else {}
    return new


def body(obj: Object) -> dict[str, Any]:
    return {name: value for name, value in obj.items() if name not in ("metadata", "status", "apiVersion", "kind")}


def is_finished(obj: Object) -> bool:
    """Marked for deletion, and its last finalizer is gone (a grace period is ended by its own delete)."""
    meta = obj["metadata"]
    return (
        bool(meta.get("deletionTimestamp"))
        and not meta.get("finalizers")
        and not meta.get("deletionGracePeriodSeconds")
    )


def add_propagation(meta: Object, propagation: str) -> None:
    """Foreground and Orphan are finalizers that the garbage collector takes away when it is done."""
    wanted = {"Foreground": "foregroundDeletion", "Orphan": "orphan"}.get(propagation)
    if wanted and wanted not in (meta.get("finalizers") or []):
        meta["finalizers"] = [*(meta.get("finalizers") or []), wanted]


def grace(kind: Kind, obj: Object, asked: int | None) -> int:
    """Seconds a running Pod is given; every other object goes at once, whatever is asked for."""
    if kind.resource != "pods" or not obj["spec"].get("nodeName"):
        return 0
    if (obj.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
        return 0
    return int(obj["spec"].get("terminationGracePeriodSeconds", 30)) if asked is None else asked


def mark(meta: Object, seconds: int, now: float) -> bool:
    """Marks for deletion; a grace period that runs already can only become shorter. False where nothing changes."""
    if meta.get("deletionTimestamp"):
        running = meta["deletionGracePeriodSeconds"]
        if seconds >= running:
            return False
        now = times.seconds(meta["deletionTimestamp"]) - running
    meta["deletionTimestamp"] = metadata.stamp(now + seconds)
    meta["deletionGracePeriodSeconds"] = seconds
    return True
