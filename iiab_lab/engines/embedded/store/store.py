"""The one place where objects live: validated writes, ordered and durable; reads from memory; watches.

A write is checked against the head (what is committed plus what is on its way to disk) and acknowledged after its
commit. Readers and watchers see committed states only, in the order of their revisions.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import orjson

from ....errors import ApiError
from ..objects.kinds import CRD, NAMESPACE, Key, Kind
from ..objects.meta import Object, key_of
from . import metadata, structural
from .admission import Admit, Plugin
from .log import Log, Record
from .registry import Registry, Resource
from .watch import Change, Entry, Hub, Watch

Table = dict[Key, Entry]
Objects = list[Object]  # inside the class, `list` is a verb of the API


class Store:
    """Every method that writes returns after the write is durable. Not thread-safe: it belongs to one event loop."""

    def __init__(
        self, log: Log, registry: Registry, plugins: Mapping[Kind, tuple[Plugin, ...]], now: Callable[[], float]
    ):
        self.registry, self._log, self._plugins, self._now = registry, log, plugins, now
        self._head: dict[Kind, Table] = {}
        self._committed: dict[Kind, Table] = {}
        self._next = 0
        self.revision = 0
        self._loop = asyncio.get_running_loop()

    @classmethod
    async def open(
        cls,
        path: Path,
        registry: Registry,
        plugins: Mapping[Kind, tuple[Plugin, ...]] | None = None,
        now: Callable[[], float] = time.time,
    ) -> Store:
        store = cls(Log(path), registry, plugins or {}, now)
        store._load()
        store._log.start()
        return store

    def _load(self) -> None:
        self.revision, records = self._log.load()
        self._next = self.revision
        by_name = {resource.stored.resource: resource.stored for resource in self.registry}
        waiting = list(records)
        for record in sorted(waiting, key=lambda record: record.resource != CRD.resource):
            entry = Entry(record.key, record.revision, record.body or b"")
            if record.resource == CRD.resource:
                self.registry.add(entry.object())
                by_name |= {resource.stored.resource: resource.stored for resource in self.registry}
            if kind := by_name.get(record.resource):
                self._table(kind)[record.key] = entry
        self._committed = {kind: dict(table) for kind, table in self._head.items()}
        self._hub = Hub(self.revision)

    async def close(self) -> None:
        self._hub.close()
        await asyncio.to_thread(self._log.close)

    # Reading

    def get(self, kind: Kind, key: Key) -> Entry | None:
        return self._committed.get(kind, {}).get(key)

    def latest(self, kind: Kind, key: Key) -> Entry | None:
        """With writes that are still on their way to the disk: what a read-modify-write has to begin from."""
        return self._table(kind).get(key)

    def list(self, kind: Kind, namespace: str | None = None) -> tuple[int, list[Entry]]:
        """The revision the list is true at, and the entries in the order of namespace and name."""
        entries = self._committed.get(kind, {}).values()
        found = [entry for entry in entries if not namespace or entry.key.namespace == namespace]
        return self.revision, sorted(found, key=lambda entry: entry.key)

    def watch(self, kind: Kind, namespace: str | None = None, since: int | None = None) -> Watch:
        """Changes after revision `since`, or, without it, the present objects as ADDED and then every change."""
        present = None
        if since is None:
            present = [Change("ADDED", kind, entry, None) for entry in self.list(kind, namespace)[1]]
        return self._hub.subscribe(kind, namespace, since or 0, present)

    # Writing

    async def create(self, kind: Kind, obj: Object, *, dry_run: bool = False, strict: bool = True) -> Entry:
        resource = self.registry.of(kind)
        metadata.fresh(obj, kind, self._now())
        if resource.has_status:
            obj.pop("status", None)
        obj, warnings = self._admit(resource, "CREATE", obj, None, strict=strict)
        key = key_of(obj)
        self._require_namespace(kind, key)
        if key in self._table(resource.stored):
            raise ApiError(
                409, "AlreadyExists", f'{kind.resource} "{key.name}" already exists', "apply it, or choose another name"
            )
        return await self._put(resource, obj, None, warnings, dry_run)

    async def update(
        self, kind: Kind, obj: Object, *, subresource: str = "", dry_run: bool = False, strict: bool = True
    ) -> Entry:
        resource = self.registry.of(kind)
        before = self._require(resource, key_of(obj))
        old = before.object()
        self._require_current(kind, obj["metadata"], old["metadata"])
        new = _status_onto(old, obj) if subresource == "status" else _carry_over(resource, old, obj)
        new, warnings = self._admit(resource, "UPDATE", new, old, subresource, strict=strict)
        if new == old:
            return Entry(before.key, before.revision, before.raw, warnings)
        if subresource != "status" and _body(new) != _body(old):
            new["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1
        if _is_finished(new):
            return await self._remove(resource, new, before, dry_run)
        return await self._put(resource, new, before, warnings, dry_run)

    async def delete(
        self,
        kind: Kind,
        key: Key,
        *,
        uid: str | None = None,
        revision: str | None = None,
        propagation: str = "Background",
        grace: int | None = None,
        dry_run: bool = False,
    ) -> Entry:
        """Removes the object, or marks it where finalizers or a grace period must come first → the resulting state."""
        resource = self.registry.of(kind)
        before = self._require(resource, key)
        obj = before.object()
        meta = obj["metadata"]
        if (uid and uid != meta["uid"]) or (revision and revision != meta["resourceVersion"]):
            raise ApiError(409, "Conflict", f"Precondition failed: the stored object is {meta['uid']}", "read it again")
        self._admit_delete(resource, obj)
        _add_propagation(meta, propagation)
        seconds = _grace(kind, obj) if grace is None else grace
        if not meta.get("finalizers") and (not seconds or (meta.get("deletionTimestamp") and grace == 0)):
            return await self._remove(resource, obj, before, dry_run)
        if meta.get("deletionTimestamp") and grace != 0:
            return before
        meta["deletionTimestamp"] = metadata.stamp(self._now() + (seconds or 0))
        meta["deletionGracePeriodSeconds"] = seconds or 0
        return await self._put(resource, obj, before, (), dry_run)

    # How a write becomes durable

    async def _put(
        self, resource: Resource, obj: Object, before: Entry | None, warnings: tuple[str, ...], dry_run: bool
    ) -> Entry:
        obj["apiVersion"] = resource.stored.api_version
        revision = self._next + 1
        obj["metadata"]["resourceVersion"] = str(revision)
        entry = Entry(key_of(obj), revision, orjson.dumps(obj), warnings)
        if not dry_run:
            await self._commit(Change("MODIFIED" if before else "ADDED", resource.stored, entry, before))
        return entry

    async def _remove(self, resource: Resource, obj: Object, before: Entry, dry_run: bool) -> Entry:
        revision = self._next + 1
        obj["metadata"]["resourceVersion"] = str(revision)
        entry = Entry(before.key, revision, orjson.dumps(obj))
        if not dry_run:
            await self._commit(Change("DELETED", resource.stored, entry, before))
        return entry

    async def _commit(self, change: Change) -> None:
        """Nothing may await between taking the revision and appending: the log's order is the revisions' order."""
        self._next += 1
        _apply(self._table(change.kind), change)
        durable: asyncio.Future[None] = self._loop.create_future()
        body = None if change.type == "DELETED" else change.entry.raw
        record = Record(change.kind.resource, change.entry.key, change.entry.revision, body)

        def settle(failure: BaseException | None) -> None:
            self._loop.call_soon_threadsafe(self._settle, change, durable, failure)

        self._log.append(record, settle)
        await asyncio.shield(durable)

    def _settle(self, change: Change, durable: asyncio.Future[None], failure: BaseException | None) -> None:
        if failure is not None:
            self._forget(change)
            error = ApiError(
                507, "InsufficientStorage", f"the write could not be made durable: {failure}", "free some disk space"
            )
            if not durable.cancelled():
                durable.set_exception(error)
            return
        self.revision = change.entry.revision
        _apply(self._committed.setdefault(change.kind, {}), change)
        if change.kind == CRD:
            self._follow_definition(change)
        self._hub.publish(change)
        if not durable.cancelled():
            durable.set_result(None)

    def _forget(self, change: Change) -> None:
        """A write that failed leaves the head as it is on disk."""
        committed = self._committed.get(change.kind, {}).get(change.entry.key)
        table = self._table(change.kind)
        if committed is None:
            table.pop(change.entry.key, None)
        else:
            table[change.entry.key] = committed

    def _follow_definition(self, change: Change) -> None:
        definition = change.entry.object()
        self.registry.remove(definition)
        if change.type != "DELETED":
            self.registry.add(definition)

    # Checks

    def _admit(
        self,
        resource: Resource,
        operation: str,
        obj: Object,
        old: Object | None,
        subresource: str = "",
        *,
        strict: bool = True,
    ) -> tuple[Object, tuple[str, ...]]:
        """Known fields, defaults, plug-ins, then values: the object as it may be stored, and warnings."""
        kind = resource.kind
        metadata.check(obj, kind)
        unknown = list(structural.unknown_fields(obj, resource.schema))
        if unknown and (strict or resource.strict):
            said = ", ".join(f'unknown field "{path}"' for path in unknown)
            raise ApiError(
                400,
                "BadRequest",
                f"{kind.kind} in version {kind.version!r} cannot be handled: strict decoding error: {said}",
                f"remove it, or see what is served: iiab kubectl explain {kind.plural} --recursive",
            )
        structural.prune(obj, resource.schema)
        structural.drop_nulls(obj, resource.schema)
        structural.default(obj, resource.schema)
        for plugin in self._plugins.get(resource.stored, ()):
            replaced = plugin(Admit(resource.stored, operation, obj, old, subresource, self))
            if replaced is not None:
                obj = replaced
                structural.default(obj, resource.schema)
        structural.check(obj, resource.schema, kind.kind, kind.group)
        idle = structural.without_effect(obj, resource.schema) if operation == "CREATE" or not subresource else ()
        return obj, tuple(f"{path} has no effect on the embedded engine" for path in idle)

    def _admit_delete(self, resource: Resource, obj: Object) -> None:
        for plugin in self._plugins.get(resource.stored, ()):
            plugin(Admit(resource.stored, "DELETE", None, obj, "", self))

    def read(self, kind: Kind, key: Key) -> Object | None:
        """For admission plug-ins."""
        entry = self.get(kind, key)
        return entry.object() if entry else None

    def read_all(self, kind: Kind, namespace: str | None = None) -> Objects:
        return [entry.object() for entry in self.list(kind, namespace)[1]]

    def _require(self, resource: Resource, key: Key) -> Entry:
        found = self._table(resource.stored).get(key)
        if found is None:
            raise ApiError(404, "NotFound", f'{resource.kind.resource} "{key.name}" not found')
        return found

    def _require_namespace(self, kind: Kind, key: Key) -> None:
        if not kind.namespaced:
            return
        namespace = self._table(NAMESPACE).get(Key("", key.namespace))
        if namespace is None:
            raise ApiError(
                404,
                "NotFound",
                f'namespaces "{key.namespace}" not found',
                "apply a Namespace of that name first: iiab kubectl apply -f FILE",
            )
        if namespace.object()["metadata"].get("deletionTimestamp"):
            raise ApiError(
                403,
                "Forbidden",
                f'{kind.resource} "{key.name}" is forbidden: unable to create new content in namespace '
                f"{key.namespace} because it is being terminated",
                "wait until the namespace is gone",
            )

    def _require_current(self, kind: Kind, given: Object, stored: Object) -> None:
        sent = given.get("resourceVersion")
        if (sent and sent != stored["resourceVersion"]) or (given.get("uid") and given["uid"] != stored["uid"]):
            raise ApiError(
                409,
                "Conflict",
                f'Operation cannot be fulfilled on {kind.resource} "{stored["name"]}": the object has been '
                "modified; please apply your changes to the latest version and try again",
                "read it again, then change it",
            )

    def _table(self, kind: Kind) -> Table:
        return self._head.setdefault(kind, {})


def _apply(table: Table, change: Change) -> None:
    if change.type == "DELETED":
        table.pop(change.entry.key, None)
    else:
        table[change.entry.key] = change.entry


def _status_onto(old: Object, obj: Object) -> Object:
    new: Object = orjson.loads(orjson.dumps(old))
    new.pop("status", None)
    return new | ({"status": obj["status"]} if obj.get("status") is not None else {})


def _carry_over(resource: Resource, old: Object, obj: Object) -> Object:
    """What a client cannot change keeps its stored value."""
    meta = {name: value for name, value in obj["metadata"].items() if name not in metadata.SERVER_OWNED}
    meta |= {name: old["metadata"][name] for name in metadata.SERVER_OWNED if name in old["metadata"]}
    meta["resourceVersion"] = old["metadata"]["resourceVersion"]
    new = obj | {"metadata": meta, "apiVersion": old["apiVersion"], "kind": old["kind"]}
    if resource.has_status:
        new.pop("status", None)
        new |= {"status": old["status"]} if "status" in old else {}
    return new


def _body(obj: Object) -> dict[str, Any]:
    return {name: value for name, value in obj.items() if name not in ("metadata", "status", "apiVersion", "kind")}


def _is_finished(obj: Object) -> bool:
    """Marked for deletion, and its last finalizer is gone (a grace period is ended by its own delete)."""
    meta = obj["metadata"]
    return (
        bool(meta.get("deletionTimestamp"))
        and not meta.get("finalizers")
        and not meta.get("deletionGracePeriodSeconds")
    )


def _add_propagation(meta: Object, propagation: str) -> None:
    """Foreground and Orphan are finalizers that the garbage collector takes away when it is done."""
    wanted = {"Foreground": "foregroundDeletion", "Orphan": "orphan"}.get(propagation)
    if wanted and wanted not in (meta.get("finalizers") or []):
        meta["finalizers"] = [*(meta.get("finalizers") or []), wanted]


def _grace(kind: Kind, obj: Object) -> int:
    """Seconds a running Pod is given; every other object goes at once."""
    if kind.resource != "pods" or not obj["spec"].get("nodeName"):
        return 0
    if (obj.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
        return 0
    return int(obj["spec"].get("terminationGracePeriodSeconds", 30))
