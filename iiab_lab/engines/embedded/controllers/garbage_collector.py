"""Objects whose owner is gone → deleted; owners that wait for their dependents (foreground), or let them go (orphan).

Reads:  every object's ownerReferences.
Writes: deletes dependents; takes the finalizers foregroundDeletion and orphan away.
Wakes:  on every object, under the uid of each owner it names and under its own where somebody names it.
"""

from __future__ import annotations

from ..objects.kinds import Key, Kind
from ..objects.meta import Object, key_of
from ..reconcile.ports import Client, Result, Watch

_FOREGROUND, _ORPHAN = "foregroundDeletion", "orphan"


class GarbageCollector:
    name = "garbagecollector"

    def __init__(self, client: Client) -> None:
        self._client = client
        self._owners: dict[str, tuple[Kind, Key]] = {}
        self._dependents: dict[str, set[tuple[Kind, Key]]] = {}
        self.watches = (Watch(None, self._remember),)

    async def reconcile(self, key: Key) -> Result | None:
        uid = key.name
        dependents = [(kind, obj) for kind, obj in self._present(uid) if uid in _owner_uids(obj)]
        if uid not in self._owners:
            return None
        kind, owner_key = self._owners[uid]
        owner = self._client.get(kind, owner_key)
        if owner is None or owner["metadata"]["uid"] != uid:
            return await self._collect(uid, dependents)
        finalizers = owner["metadata"].get("finalizers") or []
        if owner["metadata"].get("deletionTimestamp") and _FOREGROUND in finalizers:
            await self._delete(dependents)
            if not dependents:
                await self._release(kind, owner, _FOREGROUND)
        elif owner["metadata"].get("deletionTimestamp") and _ORPHAN in finalizers:
            for dependent_kind, obj in dependents:
                await self._disown(dependent_kind, obj, uid)
            await self._release(kind, owner, _ORPHAN)
        return None

    def _remember(self, obj: Object) -> list[Key]:
        """Both indexes grow in this mapper, which sees every object before any reconcile of it."""
        meta, woken = obj["metadata"], []
        kind = self._client.kind_of(obj["apiVersion"], obj["kind"])
        if kind is None:
            return []
        for reference in meta.get("ownerReferences") or ():
            owner_kind = self._client.kind_of(reference["apiVersion"], reference["kind"])
            if owner_kind:
                namespace = meta.get("namespace", "") if owner_kind.namespaced else ""
                self._owners[reference["uid"]] = (owner_kind, Key(namespace, reference["name"]))
                self._dependents.setdefault(reference["uid"], set()).add((kind, key_of(obj)))
                woken.append(Key("", reference["uid"]))
        finalizers, uid = meta.get("finalizers") or (), meta["uid"]
        if uid in self._dependents or _FOREGROUND in finalizers or _ORPHAN in finalizers:
            self._owners.setdefault(uid, (kind, key_of(obj)))
            woken.append(Key("", uid))
        return woken

    def _present(self, uid: str) -> list[tuple[Kind, Object]]:
        known = self._dependents.get(uid, set())
        found = [(kind, key, self._client.get(kind, key)) for kind, key in known]
        known -= {(kind, key) for kind, key, obj in found if obj is None}
        return [(kind, obj) for kind, _, obj in found if obj is not None]

    async def _collect(self, uid: str, dependents: list[tuple[Kind, Object]]) -> None:
        await self._delete([(kind, obj) for kind, obj in dependents if not self._has_other_owner(obj, uid)])
        if not dependents:
            self._owners.pop(uid, None)
            self._dependents.pop(uid, None)

    def _has_other_owner(self, obj: Object, uid: str) -> bool:
        for other in _owner_uids(obj) - {uid}:
            if other not in self._owners:
                return True  # of a kind that is not served: nobody can tell that it is gone
            kind, key = self._owners[other]
            owner = self._client.get(kind, key)
            if owner is not None and owner["metadata"]["uid"] == other:
                return True
        return False

    async def _delete(self, dependents: list[tuple[Kind, Object]]) -> None:
        for kind, obj in dependents:
            if not obj["metadata"].get("deletionTimestamp"):
                await self._client.delete(kind, key_of(obj), uid=obj["metadata"]["uid"])

    async def _disown(self, kind: Kind, obj: Object, uid: str) -> None:
        kept = [reference for reference in obj["metadata"]["ownerReferences"] if reference["uid"] != uid]
        await self._client.apply(_meta(kind, obj, ownerReferences=kept))

    async def _release(self, kind: Kind, owner: Object, finalizer: str) -> None:
        kept = [item for item in owner["metadata"]["finalizers"] if item != finalizer]
        await self._client.apply(_meta(kind, owner, finalizers=kept))


def _meta(kind: Kind, obj: Object, **changed: object) -> Object:
    names = {name: obj["metadata"][name] for name in ("name", "namespace") if name in obj["metadata"]}
    return {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": names | changed}


def _owner_uids(obj: Object) -> set[str]:
    return {reference["uid"] for reference in obj["metadata"].get("ownerReferences") or ()}
