"""The store as a list of events: what every write, list and watch has to agree with. No disk, no concurrency, no bytes."""

from __future__ import annotations

from typing import Any, NamedTuple

from iiab_lab.engines.embedded.objects.kinds import CONFIG_MAP, POD, Key, Kind
from iiab_lab.engines.embedded.store.fields.managers import Writer
from iiab_lab.engines.embedded.store.store import Store
from iiab_lab.engines.embedded.store.watch import Entry
from iiab_lab.errors import ApiError

KINDS, NAMESPACES, TIERS = (CONFIG_MAP, POD), ("here", "there"), ("front", "back")
OPERATIONS = ("create", "update", "touch", "status", "apply", "reapply", "delete", "kill")
APPLIER = Writer("applier")
GRACE = 30  # seconds a running Pod is given


class Id(NamedTuple):
    kind: Kind
    key: Key


class State(NamedTuple):
    """`n` is the revision that last changed the content, `grace` is set once the object is marked for deletion."""

    revision: int
    n: int
    tier: str
    held: bool = False
    grace: int | None = None
    phase: str = ""


class Event(NamedTuple):
    """`state` of a DELETED event is the last one, at the revision of the deletion."""

    type: str
    id: Id
    state: State
    before: State | None


class Write(NamedTuple):
    """One request; `n` is what it writes, once the model has taken it."""

    operation: str
    id: Id
    tier: str
    held: bool
    stale: bool
    n: int = 0


def state_of(obj: dict[str, Any]) -> State:
    meta = obj["metadata"]
    return State(
        int(meta["resourceVersion"]),
        int(meta["annotations"]["n"]),
        meta["labels"]["tier"],
        bool(meta.get("finalizers")),
        meta.get("deletionGracePeriodSeconds"),
        obj.get("status", {}).get("phase", ""),
    )


class Model:
    def __init__(self, revision: int) -> None:
        self.revision = revision
        self.history: list[Event] = []
        self.objects: dict[Id, State] = {}
        self._applied: dict[Id, int] = {}

    def at(self, revision: int) -> dict[Id, State]:
        objects: dict[Id, State] = {}
        for event in self.history:
            if event.state.revision <= revision:
                objects.pop(event.id, None)
                objects |= {event.id: event.state} if event.type != "DELETED" else {}
        return objects

    def oldest(self, ring: int) -> int:
        """Every revision is one change, so this is all that a ring of changes can forget."""
        return max(0, self.revision - ring)

    def take(self, write: Write) -> tuple[Write, int]:
        """→ the write with what it has to send, and the code with which it must be refused (0: it must not)."""
        write, old = write._replace(n=self.revision + 1), self.objects.get(write.id)
        if old is None:
            if write.operation not in ("create", "apply", "reapply"):
                return write, 404
            held = write.held and write.operation == "create"
            self._happened(write, State(0, write.n, write.tier, held))
            return write, 0
        return self._onto(write, old)

    def _onto(self, write: Write, old: State) -> tuple[Write, int]:
        if write.operation == "create" or (write.stale and write.operation not in ("apply", "reapply")):
            return write, 409
        if write.operation in ("delete", "kill"):
            self._delete(write, old)
        elif write.operation in ("apply", "reapply"):
            if write.operation == "reapply" and self._applied.get(write.id) == old.revision:
                return write._replace(n=old.n, tier=old.tier), 0
            self._happened(write, old._replace(n=write.n, tier=write.tier))
        elif write.operation == "status" and write.id.kind == POD:
            self._happened(write, old._replace(phase=_phase(write)))
        elif write.operation == "update":
            if old.grace is not None and write.held and not old.held:
                return write, 422
            self._happened(write, old._replace(n=write.n, tier=write.tier, held=write.held))
        return write, 0

    def _delete(self, write: Write, old: State) -> None:
        runs = write.id.kind == POD and old.phase != "Succeeded" and write.operation != "kill"
        seconds = GRACE if runs else 0
        if not old.held and not seconds:
            self._record("DELETED", write, old)
        elif old.grace is None or seconds < old.grace:
            self._happened(write, old._replace(grace=seconds))

    def _happened(self, write: Write, new: State) -> None:
        old = self.objects.get(write.id)
        if new == old:
            return
        finished = new.grace == 0 and not new.held
        self._record("DELETED" if finished else "MODIFIED" if old else "ADDED", write, new)
        if write.operation in ("apply", "reapply"):
            self._applied[write.id] = self.revision

    def _record(self, type_: str, write: Write, state: State) -> None:
        self.revision += 1
        before = self.objects.pop(write.id, None)
        state = state._replace(revision=self.revision)
        self.history.append(Event(type_, write.id, state, before))
        if type_ != "DELETED":
            self.objects[write.id] = state


def selected(events: list[Event], kind: Kind | None, namespace: str | None, tier: str = "") -> list[Event]:
    """What a watch sees of them: who enters a selection is ADDED, who leaves it DELETED with the last state within."""
    seen = []
    for type_, id_, state, before in events:
        if (kind and id_.kind != kind) or (namespace and id_.key.namespace != namespace):
            continue
        now = type_ != "DELETED" and state.tier.startswith(tier)
        was = before is not None and before.tier.startswith(tier)
        if was and not now and type_ != "DELETED":
            seen.append(Event("DELETED", id_, before._replace(revision=state.revision), None))
        elif now or was:
            seen.append(Event("MODIFIED" if now and was else "ADDED" if now else "DELETED", id_, state, None))
    return seen


async def send(store: Store, write: Write) -> int:
    """Makes the request of the real store → the code of its refusal, or 0."""
    try:
        done = await _sent(store, write)
        assert done.revision <= store.revision, "what is acknowledged can be read"
    except ApiError as error:
        return error.code
    return 0


async def _sent(store: Store, write: Write) -> Entry:
    operation, (kind, key), stale = write.operation, write.id, "1" if write.stale else None
    if operation == "create":
        return await store.create(kind, _manifest(write))
    if operation in ("apply", "reapply"):
        return await store.apply(kind, _manifest(write._replace(held=False)), writer=APPLIER, force=True)
    if operation in ("delete", "kill"):
        return await store.delete(kind, key, revision=stale, grace=0 if operation == "kill" else None)
    latest = store.latest(kind, key)
    obj = latest.object() if latest else _manifest(write)
    if stale:
        obj["metadata"]["resourceVersion"] = stale
    if operation == "status" and kind == POD:
        return await store.update(kind, obj | {"status": {"phase": _phase(write)}}, subresource="status")
    if operation == "update":
        obj["metadata"] |= _manifest(write)["metadata"]
    return await store.update(kind, obj)


def _phase(write: Write) -> str:
    return "Succeeded" if write.tier == "front" else "Running"


def _manifest(write: Write) -> dict[str, Any]:
    kind, (namespace, name) = write.id
    meta = {"name": name, "namespace": namespace, "labels": {"tier": write.tier}, "annotations": {"n": str(write.n)}}
    meta["finalizers"] = ["iiab.lab/held"] if write.held else []
    obj: dict[str, Any] = {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": meta}
    pod = {"nodeName": "box", "containers": [{"name": "c", "image": "i"}]}
    return obj | ({"spec": pod} if kind == POD else {})
