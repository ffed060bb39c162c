"""A write → `metadata.managedFields`: whose fields it made its own, and which nobody owns any more."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from ...objects.meta import Object
from . import paths
from .paths import Paths, Schema


class Writer(NamedTuple):
    """Who writes, as managedFields tells writers apart. `operation` is Apply or Update."""

    manager: str
    operation: str = "Update"
    api_version: str = ""
    subresource: str = ""


UNKNOWN = Writer("unknown")
# Whoever wrote an object before anybody kept record of it.
BEFORE_FIRST_APPLY = "before-first-apply"


@dataclass
class Owned:
    time: str
    fields: Paths


Owners = dict[Writer, Owned]


def read(entries: Any) -> Owners:
    """managedFields → owners; ValueError for what is none."""
    owners: Owners = {}
    for entry in entries or ():
        writer = Writer(
            str(entry.get("manager", "")),
            str(entry.get("operation", "Update")),
            str(entry.get("apiVersion", "")),
            str(entry.get("subresource", "")),
        )
        owners[writer] = Owned(str(entry.get("time", "")), set(paths.untree(entry.get("fieldsV1") or {})))
    return owners


def written(owners: Owners) -> list[Object]:
    made = []
    for writer, held in owners.items():
        if held.fields:
            entry = {
                "manager": writer.manager,
                "operation": writer.operation,
                "apiVersion": writer.api_version,
                "time": held.time,
                "fieldsType": "FieldsV1",
                "fieldsV1": paths.tree(held.fields),
            }
            made.append(entry | ({"subresource": writer.subresource} if writer.subresource else {}))
    return made


def base(old: Object | None, new: Object) -> list[Object]:
    """The entries a write begins from: what the client sent where that is any, else the stored; `[{}]` forgets them."""
    sent = new["metadata"].get("managedFields")
    if sent == [{}]:
        return []
    if sent:
        try:
            read(sent)
            return list(sent)
        except (ValueError, AttributeError):
            pass
    return list(((old or {}).get("metadata") or {}).get("managedFields") or ())


def updated(entries: list[Object], old: Object | None, new: Object, schema: Schema, writer: Writer, now: str) -> Any:
    """managedFields after a write that changed `old` into `new`."""
    changed, removed = paths.diff(paths.owned(old or {}), paths.owned(new), paths.whole(schema))
    if not changed and not removed:
        return entries
    owners = read(entries)
    own = owners.setdefault(writer, Owned(now, set()))
    for held in owners.values():
        held.fields -= removed
        if held is not own:
            held.fields -= changed
    if changed:
        own.time, own.fields = now, own.fields | changed
    return written(owners)


def others(owners: Owners, writer: Writer) -> Iterable[tuple[Writer, Owned]]:
    return ((who, held) for who, held in owners.items() if who != writer)
