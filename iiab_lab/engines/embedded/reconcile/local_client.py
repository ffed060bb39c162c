"""The `Client` port over the store in this process: the same validation and admission as over HTTP, without the wire."""

from __future__ import annotations

import builtins
from collections.abc import AsyncIterator, Mapping

from ....errors import ApiError
from ..objects.kinds import Key, Kind
from ..objects.meta import Object, key_of
from ..store.fields.managers import Writer
from ..store.store import Store
from .ports import Event

_WRITER = Writer("iiab-controllers")
# Replaced key by key; every other part of metadata that an apply names is replaced whole.
_MERGED = ("labels", "annotations")


class LocalClient:
    def __init__(self, store: Store) -> None:
        self._store = store

    def get(self, kind: Kind, key: Key) -> Object | None:
        return self._store.read(kind, key)

    def list(self, kind: Kind, namespace: str | None = None, labels: Mapping[str, str] | None = None) -> list[Object]:
        _, entries = self._store.list(kind, namespace)
        wanted = (labels or {}).items()
        return [entry.object() for entry in entries if not wanted or wanted <= entry.labels.items()]

    async def create(self, obj: Object) -> Object:
        return (await self._store.create(self._kind(obj), obj, writer=_WRITER)).object()

    async def apply(self, obj: Object) -> Object:
        kind = self._kind(obj)
        current = self._store.latest(kind, key_of(obj))
        if current is None:
            return await self.create({**obj, "metadata": dict(obj["metadata"])})
        return (await self._store.update(kind, _merged(current.object(), obj), writer=_WRITER)).object()

    async def set_status(self, kind: Kind, key: Key, status: Object) -> None:
        current = self.get(kind, key)
        if current is None or current.get("status") == status:
            return
        current["metadata"].pop("resourceVersion")  # the writer of a status owns it: the last one wins
        current["status"] = status
        try:
            await self._store.update(kind, current, subresource="status", writer=_WRITER)
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
                yield Event(change.type, change.entry.object())
        finally:
            watch.close()

    def _kind(self, obj: Object) -> Kind:
        kind = self.kind_of(obj["apiVersion"], obj["kind"])
        if kind is None:
            raise ApiError(404, "NotFound", f"no kind {obj.get('kind')} in {obj.get('apiVersion')} is served")
        return kind


def _merged(current: Object, wanted: Object) -> Object:
    meta = dict(current["metadata"])
    for name, value in wanted["metadata"].items():
        meta[name] = {**(meta.get(name) or {}), **value} if name in _MERGED else value
    rest = {name: value for name, value in wanted.items() if name not in ("metadata", "status")}
    return {**current, **rest, "metadata": meta}
