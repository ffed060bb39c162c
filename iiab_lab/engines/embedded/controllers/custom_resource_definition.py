"""CustomResourceDefinition → Established; when it is deleted, its objects first.

Reads:  CustomResourceDefinitions, the objects of those that go.
Writes: their status (NamesAccepted, Established, acceptedNames, storedVersions); deletes objects; takes the finalizer away.
Wakes:  on the CustomResourceDefinition.
"""

from __future__ import annotations

from ..objects.conditions import condition, merge
from ..objects.kinds import CRD, Key, Kind
from ..objects.meta import Object, key_of
from ..objects.names import CLEANUP
from ..objects.times import rfc3339
from ..reconcile.ports import Client, Clock, Result, Watch

_AGAIN = 0.2


class CustomResourceDefinitionController:
    name = "customresourcedefinition"

    def __init__(self, client: Client, clock: Clock) -> None:
        self._client, self._clock = client, clock
        self.watches = (Watch(CRD, lambda definition: [key_of(definition)]),)

    async def reconcile(self, key: Key) -> Result | None:
        definition = self._client.get(CRD, key)
        if definition is None:
            return None
        if definition["metadata"].get("deletionTimestamp"):
            return await self._empty(definition)
        await self._client.set_status(CRD, key, _status(definition, rfc3339(self._clock.now())))
        return None

    async def _empty(self, definition: Object) -> Result | None:
        kind = _kind(definition)
        left = self._client.list(kind)
        for obj in left:
            if not obj["metadata"].get("deletionTimestamp"):
                await self._client.delete(kind, key_of(obj))
        if left:
            return Result(_AGAIN)
        finalizers = [f for f in definition["metadata"].get("finalizers") or () if f != CLEANUP]
        meta = {"name": definition["metadata"]["name"], "finalizers": finalizers}
        await self._client.apply({"apiVersion": CRD.api_version, "kind": CRD.kind, "metadata": meta})
        return None


def _status(definition: Object, now: str) -> Object:
    spec, before = definition["spec"], definition.get("status") or {}
    stored = next(version["name"] for version in spec["versions"] if version.get("storage"))
    known = before.get("storedVersions") or []
    conditions = [
        condition("NamesAccepted", True, "NoConflicts", "no conflicts found", now=now),
        condition("Established", True, "InitialNamesAccepted", "the initial names have been accepted", now=now),
    ]
    return {
        "acceptedNames": spec["names"],
        "conditions": merge(before.get("conditions"), conditions),
        "storedVersions": known if stored in known else [*known, stored],
    }


def _kind(definition: Object) -> Kind:
    spec = definition["spec"]
    stored = next(version["name"] for version in spec["versions"] if version.get("storage"))
    names = spec["names"]
    return Kind(spec["group"], stored, names["kind"], names["plural"], spec["scope"] == "Namespaced")
