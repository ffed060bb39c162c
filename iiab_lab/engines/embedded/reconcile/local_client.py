"""The `Client` port over the store in this process: the same validation and admission as over HTTP, without the wire."""

from __future__ import annotations

import builtins
from collections.abc import AsyncIterator, Mapping
from typing import NamedTuple

import orjson

from ....errors import ApiError
from ..objects.kinds import Key, Kind
from ..objects.meta import Object, key_of
from ..store.fields.managers import Writer
from ..store.store import Store
from ..store.watch import Entry
from .ports import Event

_WRITER = Writer("iiab-controllers")
# Replaced key by key; every other part of metadata that an apply names is replaced whole.
_MERGED = ("labels", "annotations")


class _Said(NamedTuple):
    """What was applied last, and what the object was after it."""

    wanted: Object
    became: Object


class LocalClient:
    def __init__(self, store: Store) -> None:
        self._store = store
        self._said: dict[tuple[Kind, Key], _Said] = {}

    def get(self, kind: Kind, key: Key) -> Object | None:
        return self._store.read(kind, key)

    def list(self, kind: Kind, namespace: str | None = None, labels: Mapping[str, str] | None = None) -> list[Object]:
        _, entries = self._store.list(kind, namespace)
        wanted = (labels or {}).items()
        return [entry.shared for entry in entries if not wanted or wanted <= entry.labels.items()]

    async def create(self, obj: Object) -> Object:
        return (await self._store.create(self._kind(obj), _copy(obj), writer=_WRITER)).shared

    async def apply(self, obj: Object) -> Object:
        """Creates what is not there; but what says its uid means that very object, which may be gone by now: 404."""
        kind, key = self._kind(obj), key_of(obj)
        current, said = self._store.latest(kind, key), self._said.get((kind, key))
        uid = obj["metadata"].get("uid")
        if uid and (current is None or current.shared["metadata"]["uid"] != uid):
            raise ApiError(404, "NotFound", f'{kind.resource} "{key.name}" not found')
        if current is None:
            return await self.create(obj)
        if said and said.wanted == obj and said.became == _lasting(current.shared) and self._is_durable(kind, current):
            return current.shared
        entry = await self._store.update(kind, _copy(_merged(current.shared, obj)), writer=_WRITER)
        self._said[kind, key] = _Said(obj, _lasting(entry.shared))
        return entry.shared

    def _is_durable(self, kind: Kind, entry: Entry) -> bool:
        return self._store.get(kind, entry.key) is entry

    async def set_status(self, kind: Kind, key: Key, status: Object) -> None:
        current = self.get(kind, key)
        if current is None or current.get("status") == status:
            return
        # The writer of a status owns it: the last one wins.
        meta = {name: value for name, value in current["metadata"].items() if name != "resourceVersion"}
        try:
            changed = _copy({**current, "metadata": meta, "status": status})
            await self._store.update(kind, changed, subresource="status", writer=_WRITER)
        except ApiError as error:
            if error.code != 404:
                raise

    async def delete(
        self,
        kind: Kind,
        key: Key,
        uid: str | None = None,
        grace: int | None = None,
        propagation: str = "Background",
    ) -> None:
        try:
            await self._store.delete(kind, key, uid=uid, grace=grace, propagation=propagation)
        except ApiError as error:
            if error.code not in (404, 409):
                raise

    def kinds(self) -> builtins.list[Kind]:
        return builtins.list({resource.stored for resource in self._store.registry})

    def kind_of(self, api_version: str, kind: str) -> Kind | None:
        found = self._store.registry.for_object({"apiVersion": api_version, "kind": kind})
        return found.stored if found else None

    async def watch(self, kind: Kind | None) -> AsyncIterator[Event]:
        watch = self._store.watch(kind)
        try:
            async for change in watch:
                if change.type == "DELETED":
                    self._said.pop((change.kind, change.entry.key), None)
                yield Event(change.type, change.entry.object())
        finally:
            watch.close()

    def _kind(self, obj: Object) -> Kind:
        kind = self.kind_of(obj["apiVersion"], obj["kind"])
        if kind is None:
            raise ApiError(404, "NotFound", f"no kind {obj.get('kind')} in {obj.get('apiVersion')} is served")
        return kind


def _copy(obj: Object) -> Object:
    """Objects that are read are shared; what is written is changed on its way."""
    made: Object = orjson.loads(orjson.dumps(obj))
    return made


def _lasting(obj: Object) -> Object:
    """Without what every status changes."""
    meta = {name: value for name, value in obj["metadata"].items() if name not in ("resourceVersion", "managedFields")}
    return {name: value for name, value in obj.items() if name != "status"} | {"metadata": meta}


def _merged(current: Object, wanted: Object) -> Object:
    meta = dict(current["metadata"])
    for name, value in wanted["metadata"].items():
        meta[name] = {**(meta.get(name) or {}), **value} if name in _MERGED else value
    rest = {name: value for name, value in wanted.items() if name not in ("metadata", "status")}
    return {**current, **rest, "metadata": meta}
