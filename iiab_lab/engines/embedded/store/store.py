"""The one place where objects live: validated writes, ordered and durable; reads from memory; watches.

A write is checked against the head (what is committed plus what is on its way to disk) and acknowledged after its
commit. Readers and watchers see committed states only, in the order of their revisions.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import orjson

from ....errors import ApiError
from ..objects.conditions import is_true
from ..objects.kinds import CRD, NAMESPACE, Key, Kind
from ..objects.meta import Object, key_of
from . import changes, metadata
from .admission import Plugin
from .fields import apply as server_side
from .fields import managers
from .fields.managers import UNKNOWN, Writer
from .gate import Gate, Plugins
from .log import Log
from .registry import Registry, Resource
from .tables import Table, Tables
from .watch import Change, Entry, Hub, Watch

log = logging.getLogger(__name__)

# Called with (object as it would be stored, stored object or None) before a write; raises what refuses it.
Approve = Callable[[Object, Object | None], None]
Objects = list[Object]  # inside the class, `list` is a verb of the API


class How(NamedTuple):
    """How an update is made, once its parts are known."""

    writer: Writer
    dry_run: bool
    validation: str
    approve: Approve | None


class Store:
    """Every method that writes returns after the write is durable. Not thread-safe: it belongs to one event loop."""

    def __init__(
        self, log: Log, registry: Registry, plugins: Plugins, general: tuple[Plugin, ...], now: Callable[[], float]
    ):
        self.registry, self._log, self._now = registry, log, now
        self._tables = Tables(log, self._published)
        self._gate = Gate(plugins, general, Head(self._tables))

    @classmethod
    async def open(
        cls,
        path: Path,
        registry: Registry,
        plugins: Plugins | None = None,
        general: tuple[Plugin, ...] = (),
        now: Callable[[], float] = time.time,
    ) -> Store:
        """Raises LabError where the file is damaged; it is set aside then."""
        store = cls(Log(path), registry, plugins or {}, general, now)
        store._load()
        store._log.start()
        return store

    def _load(self) -> None:
        """Definitions of a user's own kinds come first: the rest may be of such a kind."""
        revision, records = self._log.load()
        entries: dict[Kind, Table] = {}
        found = [(record.resource, Entry(record.key, record.revision, record.body or b"")) for record in records]
        definitions = [entry.object() for resource, entry in found if resource == CRD.resource]
        for definition in sorted(definitions, key=lambda one: not is_true(one, "NamesAccepted")):
            self.registry.add(definition)  # who had a name before has it again
        by_name = {kind.resource: kind for kind in self.registry.tables()}
        for resource, entry in found:
            if kind := by_name.get(resource):
                entries.setdefault(kind, {})[entry.key] = entry
        self._tables.load(revision, entries)
        self._hub = Hub(revision)
        self.found = f"{self.size} objects at revision {revision}, integrity checked" if revision else "new and empty"
        log.info("opened: %s", self.found)

    async def close(self) -> None:
        self._hub.close()
        await asyncio.to_thread(self._log.close)

    # Reading

    @property
    def revision(self) -> int:
        return self._tables.revision

    @property
    def oldest(self) -> int:
        """The earliest revision that a list or a watch can go back to."""
        return self._hub.oldest

    def get(self, kind: Kind, key: Key) -> Entry | None:
        return self._tables.committed(kind).get(key)

    def latest(self, kind: Kind, key: Key) -> Entry | None:
        """With writes that are still on their way to the disk: what a read-modify-write has to begin from."""
        return self._tables.head(kind).get(key)

    def list(self, kind: Kind, namespace: str | None = None, at: int | None = None) -> tuple[int, list[Entry]]:
        """The revision the list is true at, and the entries in the order of namespace and name.

        `at` is an earlier revision; raises 410 Expired where history does not reach back to it.
        """
        table = self._tables.committed(kind)
        if at is not None and at != self.revision:
            table = dict(table)
            for change in self._hub.after(at, kind):
                if change.before is None:
                    table.pop(change.entry.key, None)
                else:
                    table[change.entry.key] = change.before
        found = [entry for entry in table.values() if not namespace or entry.key.namespace == namespace]
        return self.revision if at is None else at, sorted(found, key=lambda entry: entry.key)

    def watch(self, kind: Kind | None, namespace: str | None = None, since: int | None = None) -> Watch:
        """Changes after revision `since`, or, without it, the present objects as ADDED and then every change.

        Kind None is every kind there is, and those to come.
        """
        present = None
        if since is None:
            kinds = self._tables.kinds() if kind is None else [kind]
            present = [Change("ADDED", k, entry, None) for k in kinds for entry in self.list(k, namespace)[1]]
        return self._hub.subscribe(kind, namespace, since or 0, present)

    def read(self, kind: Kind, key: Key) -> Object | None:
        """Shared with every other reader: yours to read, not to change."""
        entry = self.get(kind, key)
        return entry.shared if entry else None

    def read_all(self, kind: Kind, namespace: str | None = None) -> Objects:
        """Shared with every other reader: yours to read, not to change."""
        return [entry.shared for entry in self.list(kind, namespace)[1]]

    def count(self, kind: Kind) -> int:
        return len(self._tables.committed(kind))

    def changed(self, kind: Kind) -> int:
        """The revision of the latest change of a kind since the start; 0 before the first."""
        return self._tables.changed(kind)

    @property
    def size(self) -> int:
        """How many objects there are."""
        return sum(map(self.count, self._tables.kinds()))

    # Writing

    async def create(
        self,
        kind: Kind,
        obj: Object,
        *,
        writer: Writer = UNKNOWN,
        dry_run: bool = False,
        validation: str = "Strict",
        approve: Approve | None = None,
    ) -> Entry:
        resource = self.registry.of(kind)
        who = _complete(writer, resource)
        entries = None
        if who.operation == "Apply":
            entries = server_side.created(obj, resource.schema, who, metadata.stamp(self._now()))
        metadata.fresh(obj, kind, self._now(), counted=resource.counted)
        if resource.has_status:
            obj.pop("status", None)
        if resource.ending:
            said = "create not allowed while custom resource definition is terminating"
            raise ApiError(405, "MethodNotAllowed", said, "wait until it is gone, then apply it again")
        self._require_namespace(kind, Key(obj["metadata"].get("namespace", ""), obj["metadata"].get("name") or ""))
        obj, warnings = self._gate.admit(resource, "CREATE", obj, None, "", validation)
        key = key_of(obj)
        if key in self._tables.head(resource.stored):
            raise ApiError(
                409, "AlreadyExists", f'{kind.resource} "{key.name}" already exists', "apply it, or choose another name"
            )
        if approve:
            approve(obj, None)
        own = {"status": obj["status"]} if resource.has_status and "status" in obj else None  # the server's: nobody's
        self._record(resource, obj, own, who, entries)
        return await self._put(resource, obj, None, warnings, dry_run)

    async def update(
        self,
        kind: Kind,
        obj: Object,
        *,
        subresource: str = "",
        writer: Writer = UNKNOWN,
        dry_run: bool = False,
        validation: str = "Strict",
        approve: Approve | None = None,
    ) -> Entry:
        """PUT: the object replaces the stored one; through `status`, its status alone does."""
        resource = self.registry.of(kind)
        before = self._require(resource, key_of(obj))
        changes.require_current(kind, obj["metadata"], before.shared["metadata"])
        how = How(_complete(writer, resource, subresource), dry_run, validation, approve)
        return await self._replace(resource, before, obj, how)

    async def apply(
        self,
        kind: Kind,
        applied: Object,
        *,
        subresource: str = "",
        writer: Writer = UNKNOWN,
        force: bool = False,
        dry_run: bool = False,
        validation: str = "Strict",
        approve: Approve | None = None,
    ) -> Entry:
        """Server-side apply: creates what is missing, else merges; raises 409 where another manager owns what changes."""
        resource = self.registry.of(kind)
        before = self.latest(resource.stored, key_of(applied))
        who = writer._replace(operation="Apply")
        if before is None and not subresource:
            return await self.create(kind, applied, writer=who, dry_run=dry_run, validation=validation, approve=approve)
        before = before or self._require(resource, key_of(applied))
        old = before.object()
        changes.require_current(kind, applied["metadata"], old["metadata"])
        said = changes.of_subresource(resource, applied, subresource)
        now = metadata.stamp(self._now())
        who = _complete(who, resource, subresource)
        merged = server_side.apply(old, said, resource.schema, who, now, force=force)
        entries = merged["metadata"]["managedFields"]
        return await self._replace(resource, before, merged, How(who, dry_run, validation, approve), entries)

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
        changes.require_preconditions(kind, meta, uid, revision)
        self._gate.delete(resource, obj)
        changes.add_propagation(meta, propagation)
        seconds = changes.grace(kind, obj, grace)
        if not seconds and not meta.get("finalizers"):
            return await self._remove(resource, obj, before, dry_run)
        if not changes.mark(meta, seconds, self._now()):
            return await self._unchanged(before)
        return await self._put(resource, obj, before, (), dry_run)

    async def _replace(
        self, resource: Resource, before: Entry, obj: Object, how: How, entries: Objects | None = None
    ) -> Entry:
        old, subresource, dry_run = before.object(), how.writer.subresource, how.dry_run
        new = changes.status_onto(old, obj) if subresource == "status" else changes.carry_over(resource, old, obj)
        new, warnings = self._gate.admit(resource, "UPDATE", new, old, subresource, how.validation)
        if how.approve:
            how.approve(new, old)
        self._record(resource, new, old, how.writer, entries)
        if new == old:
            return await self._unchanged(Entry(before.key, before.revision, before.raw, warnings))
        if resource.counted and subresource != "status" and changes.body(new) != changes.body(old):
            new["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1
        if changes.is_finished(new):
            return await self._remove(resource, new, before, dry_run)
        return await self._put(resource, new, before, warnings, dry_run)

    def _record(
        self, resource: Resource, new: Object, old: Object | None, writer: Writer, entries: Objects | None
    ) -> None:
        """Puts managedFields down: given where it was an apply, else from the difference."""
        if entries is None:
            started = managers.base(old, new)
            now = metadata.stamp(self._now())
            entries = managers.updated(started, old, new, resource.schema, writer, now)
        new["metadata"].pop("managedFields", None)
        if entries:
            new["metadata"]["managedFields"] = entries

    async def _put(
        self, resource: Resource, obj: Object, before: Entry | None, warnings: tuple[str, ...], dry_run: bool
    ) -> Entry:
        obj["apiVersion"] = resource.written
        revision = self._tables.next_revision
        if not dry_run:
            obj["metadata"]["resourceVersion"] = str(revision)
        entry = Entry(key_of(obj), revision, orjson.dumps(obj))
        if not dry_run:
            await self._tables.commit(Change("MODIFIED" if before else "ADDED", resource.stored, entry, before))
        return Entry(entry.key, revision, entry.raw, warnings)  # who wrote it is warned, not who reads it

    async def _unchanged(self, entry: Entry) -> Entry:
        """What changes nothing may rest on a write that is on its way to the disk: it is acknowledged after that."""
        await self._tables.durable(entry)
        return entry

    async def _remove(self, resource: Resource, obj: Object, before: Entry, dry_run: bool) -> Entry:
        revision = self._tables.next_revision
        obj["metadata"]["resourceVersion"] = str(revision)
        entry = Entry(before.key, revision, orjson.dumps(obj))
        if not dry_run:
            await self._tables.commit(Change("DELETED", resource.stored, entry, before))
        return entry

    def _published(self, change: Change) -> None:
        """A definition is served before anybody hears of it."""
        if change.kind == CRD:
            self._define(change)
        self._hub.publish(change)

    def _define(self, change: Change) -> None:
        definition = change.entry.object()
        if change.type != "DELETED":
            self.registry.add(definition)
            return
        tables = self.registry.tables()
        self.registry.remove(definition)
        for kind in set(tables) - set(self.registry.tables()):
            self._hub.end(kind)

    # Checks

    def _require(self, resource: Resource, key: Key) -> Entry:
        found = self._tables.head(resource.stored).get(key)
        if found is None:
            raise ApiError(404, "NotFound", f'{resource.kind.resource} "{key.name}" not found')
        return found

    def _require_namespace(self, kind: Kind, key: Key) -> None:
        if not kind.namespaced:
            return
        namespace = self._tables.head(NAMESPACE).get(Key("", key.namespace))
        if namespace is None:
            raise ApiError(
                404,
                "NotFound",
                f'namespaces "{key.namespace}" not found',
                "apply a Namespace of that name first: iiab kubectl apply -f FILE",
            )
        if namespace.shared["metadata"].get("deletionTimestamp"):
            raise _terminating(kind, key)


def _terminating(kind: Kind, key: Key) -> ApiError:
    """Controllers ask for the cause, not for the words."""
    error = ApiError(
        403,
        "Forbidden",
        f'{kind.resource} "{key.name}" is forbidden: unable to create new content in namespace '
        f"{key.namespace} because it is being terminated",
        "wait until the namespace is gone",
    )
    said, field = f"namespace {key.namespace} is being terminated", "metadata.namespace"
    cause = {"reason": "NamespaceTerminating", "message": said, "field": field}
    error.details = {"name": key.name, "group": kind.group, "kind": kind.plural, "causes": [cause]}
    return error


class Head:
    """What admission reads: the latest states, on disk or not yet, so that no two writes pass one check together."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def read(self, kind: Kind, key: Key) -> Object | None:
        entry = self._tables.head(kind).get(key)
        return entry.shared if entry else None

    def read_all(self, kind: Kind, namespace: str | None = None) -> list[Object]:
        entries = self._tables.head(kind).values()
        return [entry.shared for entry in entries if not namespace or entry.key.namespace == namespace]


def _complete(writer: Writer, resource: Resource, subresource: str = "") -> Writer:
    return writer._replace(api_version=resource.kind.api_version, subresource=writer.subresource or subresource)
