"""ObjectMeta: what is checked and what is filled in the same way for every kind (Kubernetes API conventions)."""

from __future__ import annotations

import random
import re
import uuid
from datetime import UTC, datetime
from typing import Any

from ....errors import ApiError
from ..objects.kinds import Kind
from ..objects.meta import Object
from .structural import invalid

_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_PATH_SEGMENT = re.compile(r"[^/%]+")  # RBAC names may hold colons
_LABEL_VALUE = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]")
_NAME_PART = _LABEL_VALUE
_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"  # no vowels, so no words
_FIELDS: dict[str, type] = {
    "name": str,
    "generateName": str,
    "namespace": str,
    "labels": dict,
    "annotations": dict,
    "ownerReferences": list,
    "finalizers": list,
    "uid": str,
    "resourceVersion": str,
    "generation": int,
    "creationTimestamp": str,
    "deletionTimestamp": str,
    "deletionGracePeriodSeconds": int,
    "managedFields": list,
    "selfLink": str,
}
_REFERENCE: dict[str, type] = {
    "apiVersion": str,
    "kind": str,
    "name": str,
    "uid": str,
    "controller": bool,
    "blockOwnerDeletion": bool,
}
_ANNOTATIONS_BYTES = 256 * 1024
# Set by the server alone; what a client sends for them is put back.
SERVER_OWNED = ("uid", "creationTimestamp", "generation", "deletionTimestamp", "deletionGracePeriodSeconds")


def stamp(now: float) -> str:
    return datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def fresh(obj: Object, kind: Kind, now: float, *, counted: bool) -> None:
    """Completes the metadata of a new object in place: name from generateName, uid, creation time, generation 1.

    Only kinds whose spec is `counted` have a generation.
    """
    meta = obj["metadata"]
    if not meta.get("name") and meta.get("generateName"):
        meta["name"] = meta["generateName"] + "".join(random.choices(_ALPHABET, k=5))  # noqa: S311 - a name, no secret
    for name in ("deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "resourceVersion"):
        meta.pop(name, None)
    meta.pop("generation", None)
    meta.update(uid=str(uuid.uuid4()), creationTimestamp=stamp(now), **({"generation": 1} if counted else {}))
    if not kind.namespaced:
        meta.pop("namespace", None)


def check(obj: Object, kind: Kind) -> None:
    """Raises 400 for a field that is none of ObjectMeta's, 422 for a wrong value."""
    meta = obj["metadata"]
    for name in [name for name, value in meta.items() if value is None or value in ({}, [])]:
        del meta[name]  # Kubernetes keeps nothing empty here
    for name, value in meta.items():
        if name not in _FIELDS:
            raise ApiError(
                400, "BadRequest", f'strict decoding error: unknown field "metadata.{name}"', "remove the field"
            )
        if not isinstance(value, _FIELDS[name]):
            raise ApiError(
                400, "BadRequest", f"metadata.{name} must be of type {_FIELDS[name].__name__}", "mend the manifest"
            )
    for reference in meta.get("ownerReferences") or ():
        _require_reference(reference)
    if not all(isinstance(name, str) for name in meta.get("finalizers") or ()):
        raise ApiError(400, "BadRequest", "metadata.finalizers must be strings", "mend the manifest")
    causes = [*_name_causes(meta, kind), *_label_causes(meta), *_annotation_causes(meta), *_owner_causes(meta)]
    if causes:
        raise invalid(kind.kind, kind.group, meta.get("name") or "", causes)


def check_update(obj: Object, old: Object, kind: Kind) -> None:
    """An object that is being deleted takes no new finalizers."""
    before = old["metadata"]
    added = set(obj["metadata"].get("finalizers") or ()) - set(before.get("finalizers") or ())
    if before.get("deletionTimestamp") and added:
        cause = f"Forbidden: no new finalizers can be added if the object is being deleted, found {sorted(added)}"
        raise invalid(kind.kind, kind.group, before["name"], [("metadata.finalizers", cause)])


def _name_causes(meta: Object, kind: Kind) -> list[tuple[str, str]]:
    name = meta.get("name")
    if not name:
        return [("metadata.name", "Required value: name or generateName is required")]
    pattern = _PATH_SEGMENT if kind.group == "rbac.authorization.k8s.io" else _SUBDOMAIN
    if len(name) > 253 or not pattern.fullmatch(name) or name in (".", ".."):
        return [
            (
                "metadata.name",
                f'Invalid value: "{name}": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric '
                "characters, '-' or '.', and must start and end with an alphanumeric character",
            )
        ]
    return []


def _label_causes(meta: Object) -> list[tuple[str, str]]:
    causes = []
    for key, value in (meta.get("labels") or {}).items():
        if not _qualified(key):
            causes.append(("metadata.labels", f'Invalid value: "{key}": name part must be a qualified name'))
        elif not isinstance(value, str) or len(value) > 63 or (value and not _LABEL_VALUE.fullmatch(value)):
            causes.append(
                (
                    "metadata.labels",
                    f'Invalid value: "{value}": a valid label must be 63 characters or less of '
                    "alphanumerics, '-', '_' or '.', and start and end with an alphanumeric",
                )
            )
    return causes


def _annotation_causes(meta: Object) -> list[tuple[str, str]]:
    annotations: dict[str, Any] = meta.get("annotations") or {}
    if any(not isinstance(value, str) for value in annotations.values()):
        return [("metadata.annotations", "Invalid value: annotation values must be strings")]
    if sum(len(key) + len(value) for key, value in annotations.items()) > _ANNOTATIONS_BYTES:
        return [("metadata.annotations", f"Too long: may not be more than {_ANNOTATIONS_BYTES} bytes")]
    return [("metadata.annotations", f'Invalid value: "{key}"') for key in annotations if not _qualified(key.lower())]


def _require_reference(reference: Any) -> None:
    """Raises 400 for what is no OwnerReference."""
    if not isinstance(reference, dict):
        raise ApiError(400, "BadRequest", "metadata.ownerReferences must be objects", "mend the manifest")
    for name, value in reference.items():
        if name not in _REFERENCE:
            said = f'strict decoding error: unknown field "metadata.ownerReferences[].{name}"'
            raise ApiError(400, "BadRequest", said, "remove the field")
        if not isinstance(value, _REFERENCE[name]):
            said = f"metadata.ownerReferences[].{name} must be of type {_REFERENCE[name].__name__}"
            raise ApiError(400, "BadRequest", said, "mend the manifest")


def _owner_causes(meta: Object) -> list[tuple[str, str]]:
    references, path = meta.get("ownerReferences") or [], "metadata.ownerReferences"
    causes = [
        (f"{path}.{name}", f'Invalid value: "": {said} must not be empty')
        for reference in references
        for name, said in (("apiVersion", "version"), ("kind", "kind"), ("name", "name"), ("uid", "uid"))
        if not reference.get(name)
    ]
    names = [str(reference.get("name")) for reference in references if reference.get("controller")]
    if len(names) > 1:
        said = f'Found "true" in references for {" and ".join(names[:2])}'
        causes.append((path, f"Invalid value: Only one reference can have Controller set to true. {said}"))
    return causes


def _qualified(key: str) -> bool:
    prefix, slash, name = key.rpartition("/")
    fine = bool(_NAME_PART.fullmatch(name)) and len(name) <= 63
    return fine and (not slash or (len(prefix) <= 253 and bool(_SUBDOMAIN.fullmatch(prefix))))
