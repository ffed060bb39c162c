"""Objects whose owner is gone → deleted; owners that wait for their dependents (foreground), or let them go (orphan).

An owner is sought where the reference says, in the namespace of the dependent: what is said of its uid elsewhere counts for
nothing. Where one owner of several is gone, the object stays and forgets it.

Reads:  every object's ownerReferences, their owners.
Writes: deletes dependents; takes references and the finalizers foregroundDeletion and orphan away.
Wakes:  on every object, under the uid of each owner it names and under its own where somebody names it.
"""

from __future__ import annotations

from ..objects.kinds import Key, Kind
from ..objects.meta import Object, key_of
from ..reconcile.ports import Client, Result, Watch

_FOREGROUND, _ORPHAN = "foregroundDeletion", "orphan"
_SOLID, _WAITING, _GONE = "solid", "waiting", "gone"

Found = tuple[Kind, Object]


class GarbageCollector:
    name = "garbagecollector"

    def __init__(self, client: Client) -> None:
        self._client = client
        self._kinds: dict[tuple[str, str], Kind] = {}  # of owners, those that are served no longer too
        self._held: dict[str, tuple[Kind, Key]] = {}  # owners that wait for their dependents, or are to let them go
        self._dependents: dict[str, set[tuple[Kind, Key]]] = {}
        self.watches = (Watch(None, self._remember),)

    async def reconcile(self, key: Key) -> Result | None:
        uid = key.name
        dependents = self._present(uid)
        kind, owner_key = self._held.get(uid, (None, key))
        owner = self._client.get(kind, owner_key) if kind else None
        if kind is None or owner is None or owner["metadata"]["uid"] != uid:
            self._held.pop(uid, None)
            await self._settle(dependents)
        elif _ORPHAN in (owner["metadata"].get("finalizers") or ()):
            for dependent_kind, obj in dependents:
                await self._disown(dependent_kind, obj, {uid})
            await self._release(kind, owner, _ORPHAN)
        else:
            await self._settle(dependents)
            if not any(_blocks(obj, uid) for _, obj in self._present(uid)):
                await self._release(kind, owner, _FOREGROUND)
        return None

    def _remember(self, obj: Object) -> list[Key]:
        """The indexes grow in this mapper, which sees every object before any reconcile of it."""
        meta = obj["metadata"]
        kind = self._kind(obj)
        if kind is None:
            return []
        uid, woken = meta["uid"], []
        for reference in meta.get("ownerReferences") or ():
            self._kind(reference)
            self._dependents.setdefault(reference["uid"], set()).add((kind, key_of(obj)))
            woken.append(Key("", reference["uid"]))
        held = meta.get("deletionTimestamp") and {_FOREGROUND, _ORPHAN} & set(meta.get("finalizers") or ())
        if held:
            self._held[uid] = (kind, key_of(obj))
        if held or uid in self._dependents:
            woken.append(Key("", uid))
        me = kind, key_of(obj)  # whom it named before may wait for it to name them no longer
        return woken + [Key("", other) for other in self._held if me in self._dependents.get(other, ())]

    def _kind(self, named: Object) -> Kind | None:
        known = named["apiVersion"], named["kind"]
        if found := self._client.kind_of(*known):
            self._kinds[known] = found
        return self._kinds.get(known)

    def _present(self, uid: str) -> list[Found]:
        known = self._dependents.get(uid, set())
        found = [(kind, key, self._client.get(kind, key)) for kind, key in known]
        named = [(kind, key, obj) for kind, key, obj in found if obj is not None and uid in _owner_uids(obj)]
        known.intersection_update((kind, key) for kind, key, _ in named)
        if not known:
            self._dependents.pop(uid, None)
        return [(kind, obj) for kind, _, obj in named]

    async def _settle(self, dependents: list[Found]) -> None:
        """Each by all of its owners: one that stays keeps it; else it goes, as the owner does that waits for it."""
        for kind, obj in dependents:
            states = {reference["uid"]: self._state(reference, obj) for reference in obj["metadata"]["ownerReferences"]}
            if None in states.values():
                continue
            leaving = {uid for uid, state in states.items() if state != _SOLID}
            if leaving != set(states):
                if leaving:
                    await self._disown(kind, obj, leaving)
            elif not obj["metadata"].get("deletionTimestamp"):
                waits = _WAITING in states.values() and obj["metadata"]["uid"] in self._dependents
                await self._client.delete(
                    kind, key_of(obj), uid=obj["metadata"]["uid"], propagation="Foreground" if waits else "Background"
                )

    def _state(self, reference: Object, obj: Object) -> str | None:
        """Of an owner, as a dependent names it; None where nobody can tell, as for a kind that is not served."""
        kind, namespace = (
            self._kinds.get((reference["apiVersion"], reference["kind"])),
            obj["metadata"].get("namespace"),
        )
        if kind is None or (kind.namespaced and not namespace):
            return None
        owner = self._client.get(kind, Key(namespace if kind.namespaced else "", reference["name"]))
        if owner is None or owner["metadata"]["uid"] != reference["uid"]:
            return _GONE
        waits = owner["metadata"].get("deletionTimestamp") and _FOREGROUND in (
            owner["metadata"].get("finalizers") or ()
        )
        return _WAITING if waits else _SOLID

    async def _disown(self, kind: Kind, obj: Object, uids: set[str]) -> None:
        kept = [reference for reference in obj["metadata"]["ownerReferences"] if reference["uid"] not in uids]
        await self._client.apply(_meta(kind, obj, ownerReferences=kept))

    async def _release(self, kind: Kind, owner: Object, finalizer: str) -> None:
        self._held.pop(owner["metadata"]["uid"], None)
        kept = [item for item in owner["metadata"].get("finalizers") or () if item != finalizer]
        await self._client.apply(_meta(kind, owner, finalizers=kept))


def _meta(kind: Kind, obj: Object, **changed: object) -> Object:
    names = {name: obj["metadata"][name] for name in ("name", "namespace", "uid") if name in obj["metadata"]}
    return {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": names | changed}


def _owner_uids(obj: Object) -> set[str]:
    return {reference["uid"] for reference in obj["metadata"].get("ownerReferences") or ()}


def _blocks(obj: Object, uid: str) -> bool:
    references = obj["metadata"].get("ownerReferences") or ()
    return any(reference["uid"] == uid and reference.get("blockOwnerDeletion") for reference in references)
