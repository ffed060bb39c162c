"""CustomResourceDefinition → Established, or told which of its names are taken; when it is deleted, its objects first.

Reads:  CustomResourceDefinitions, the objects of those that go.
Writes: their status (NamesAccepted, Established, acceptedNames, storedVersions); deletes objects; takes the finalizer away.
Wakes:  on the CustomResourceDefinition; on any, those that wait for a name.
"""

from __future__ import annotations

from ..objects.conditions import condition, merge
from ..objects.kinds import CRD, Key, Kind
from ..objects.meta import Object, key_of
from ..objects.names import CLEANUP
from ..objects.times import rfc3339
from ..reconcile.ports import Client, Clock, Result, Watch
from ..rules.definitions import conflict

_AGAIN = 0.2


class CustomResourceDefinitionController:
    name = "customresourcedefinition"

    def __init__(self, client: Client, clock: Clock) -> None:
        self._client, self._clock = client, clock
        self._refused: set[Key] = set()  # whose names are taken
        self.watches = (Watch(CRD, lambda definition: [key_of(definition), *self._refused]),)

    async def reconcile(self, key: Key) -> Result | None:
        definition = self._client.get(CRD, key)
        self._refused.discard(key)
        if definition is None:
            return None
        now = rfc3339(self._clock.now())
        kind = self._kind(definition)
        if definition["metadata"].get("deletionTimestamp"):
            return await self._empty(definition, kind, now)
        if kind is None:
            self._refused.add(key)
            await self._client.set_status(CRD, key, _refusal(definition, self._taken(definition), now))
        else:
            await self._client.set_status(CRD, key, _status(definition, now))
        return None

    def _kind(self, definition: Object) -> Kind | None:
        """What is served by that name, if it is this definition's."""
        spec = definition["spec"]
        found = self._client.kind_of(f"{spec['group']}/{_stored(definition)}", spec["names"]["kind"])
        return found if found and found.plural == spec["names"]["plural"] else None

    def _taken(self, definition: Object) -> list[Object]:
        group = definition["spec"]["group"]
        others = [other for other in self._client.list(CRD) if other["spec"]["group"] == group]
        return [other["spec"]["names"] for other in others if self._kind(other)]

    async def _empty(self, definition: Object, kind: Kind | None, now: str) -> Result | None:
        await self._client.set_status(CRD, key_of(definition), _ending(definition, now))
        left = self._client.list(kind) if kind else []
        for obj in left:
            if kind and not obj["metadata"].get("deletionTimestamp"):
                await self._client.delete(kind, key_of(obj))
        if left:
            return Result(_AGAIN)
        finalizers = [f for f in definition["metadata"].get("finalizers") or () if f != CLEANUP]
        meta = {"name": definition["metadata"]["name"], "finalizers": finalizers}
        await self._client.apply({"apiVersion": CRD.api_version, "kind": CRD.kind, "metadata": meta})
        return None


def _status(definition: Object, now: str) -> Object:
    spec, before = definition["spec"], definition.get("status") or {}
    stored = _stored(definition)
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


def _refusal(definition: Object, taken: list[Object], now: str) -> Object:
    before = definition.get("status") or {}
    reason, message = conflict(definition["spec"]["names"], taken) or ("NotAccepted", "not all names are accepted")
    conditions = [
        condition("NamesAccepted", False, reason, message, now=now),
        condition("Established", False, "NotAccepted", "not all names are accepted", now=now),
    ]
    return {
        "acceptedNames": {"plural": "", "kind": ""},
        "conditions": merge(before.get("conditions"), conditions),
        "storedVersions": before.get("storedVersions") or [_stored(definition)],
    }


def _ending(definition: Object, now: str) -> Object:
    status = definition.get("status") or {}
    said = "CustomResource deletion is in progress"
    ending = condition("Terminating", True, "InstanceDeletionInProgress", said, now=now)
    others = [item for item in status.get("conditions") or () if item["type"] != "Terminating"]
    return status | {"conditions": merge(status.get("conditions"), [*others, ending])}


def _stored(definition: Object) -> str:
    return str(next(version["name"] for version in definition["spec"]["versions"] if version.get("storage")))
