"""Reading and making object metadata: keys, owners, labels. Objects are plain dicts in their JSON form."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .kinds import Key, Kind

Object = dict[str, Any]


def new(kind: Kind, name: str, namespace: str = "", *, owner: Object | None = None, **body: Any) -> Object:
    """A fresh object; `owner` becomes its controller reference. `labels=` and `annotations=` go to metadata."""
    metadata: Object = {"name": name} | ({"namespace": namespace} if kind.namespaced else {})
    for field in ("labels", "annotations", "generateName"):
        if body.get(field):
            metadata[field] = body.pop(field)
        body.pop(field, None)
    if owner is not None:
        metadata["ownerReferences"] = [owner_reference(owner)]
    return {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata, **body}


def owner_reference(owner: Object) -> Object:
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def controller_of(obj: Object) -> Object | None:
    """The reference to the object that manages this one, if any."""
    return next((ref for ref in obj["metadata"].get("ownerReferences", ()) if ref.get("controller")), None)


def key_of(obj: Object) -> Key:
    return Key(obj["metadata"].get("namespace", ""), obj["metadata"]["name"])


def edition(obj: Object) -> tuple[str, int, bool]:
    """Equal as long as nobody asks for anything else: statuses and labels may differ."""
    meta = obj["metadata"]
    return meta["uid"], meta.get("generation", 1), "deletionTimestamp" in meta


def labels_of(obj: Object) -> dict[str, str]:
    return obj["metadata"].get("labels") or {}


def annotations_of(obj: Object) -> dict[str, str]:
    return obj["metadata"].get("annotations") or {}


def owner_keys(*kinds: str) -> Callable[[Object], list[Key]]:
    """A mapper for watches: an object → the keys of its owners of these kinds."""

    def keys(obj: Object) -> list[Key]:
        meta = obj["metadata"]
        owners = meta.get("ownerReferences") or ()
        return [Key(meta.get("namespace", ""), owner["name"]) for owner in owners if owner["kind"] in kinds]

    return keys
