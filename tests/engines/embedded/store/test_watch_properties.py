"""Random writes, lists and watches against a model of the store: ordered, unique, reliable, resumable, bookmarkable.

The guarantees are those that etcd names for its watches. History is kept so short here that it is compacted all the time.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test
from starlette.requests import Request

from iiab_lab.engines.embedded.apiserver import resources, stream
from iiab_lab.engines.embedded.apiserver.authn import User
from iiab_lab.engines.embedded.apiserver.info import Info
from iiab_lab.engines.embedded.apiserver.resources import Call
from iiab_lab.engines.embedded.objects.kinds import CONFIG_MAP, NAMESPACE, Key, Kind
from iiab_lab.engines.embedded.store import watch as watching
from iiab_lab.engines.embedded.store.registry import Registry
from iiab_lab.engines.embedded.store.store import Store
from iiab_lab.engines.embedded.store.watch import Entry, Watch
from iiab_lab.errors import ApiError

from .model import KINDS, NAMESPACES, OPERATIONS, TIERS, Event, Id, Model, State, Write, selected, send, state_of

REGISTRY = Registry.load()
RING, BEHIND, MUCH = 20, 4, 1000
MAP = Id(CONFIG_MAP, Key("here", "a"))
IDS = st.builds(Id, st.sampled_from(KINDS), st.builds(Key, st.sampled_from(NAMESPACES), st.sampled_from("abc")))
WRITES = st.builds(
    Write,
    st.sampled_from(OPERATIONS),
    IDS,
    st.sampled_from(TIERS),
    st.sampled_from([False, False, True]),
    st.sampled_from([False] * 5 + [True]),
    st.just(0),
)
# Which one is picked must not depend on how threads were scheduled: hypothesis replays what it drew.
PICK = st.integers(0, 19)
SCOPES = st.tuples(st.sampled_from([*KINDS, None]), st.sampled_from([*NAMESPACES, None]))
SHORT = settings(
    max_examples=60,
    stateful_step_count=50,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


async def opened(folder: Path) -> Store:
    """Time stands still in it: what changes is what was written."""
    store = await Store.open(folder / "store.db", REGISTRY, now=lambda: 1_750_000_000.0)
    for name in NAMESPACES:
        await store.create(NAMESPACE, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    return store


def call(store: Store, kind: Kind, namespace: str | None, verb: str, **query: str) -> Call:
    """A request as the API server hands it to its verbs."""
    request = Request({"type": "http", "method": "GET", "path": "/", "headers": [], "query_string": b""})
    info = Info(verb, "/", kind.group, kind.version, namespace or "", kind.plural)
    return Call(request, info, User("admin", frozenset()), store, REGISTRY.of(kind), query)


def entries(listed: list[Entry]) -> list[tuple[Key, State]]:
    return [(e.key, state_of(e.object())) for e in listed]


class Follower:
    """A watch of the store itself; its reader takes as many changes at a time as it likes."""

    def __init__(self, model: Model, scope: tuple[Kind | None, str | None], since: int | None) -> None:
        self.model, self.scope, self.seen = model, scope, list[Event]()
        self.since = self.promised = model.revision if since is None else since
        self.present = [] if since is not None else self._expected_present()
        self.tier = ""

    def _expected_present(self) -> list[Event]:
        present = [Event("ADDED", id_, state, None) for id_, state in self.model.objects.items()]
        return sorted(selected(present, *self.scope))

    def expected(self) -> list[Event]:
        after = [event for event in self.model.history if event.state.revision > self.since]
        return self.present + selected(after, *self.scope, self.tier)

    def saw(self, event: Event) -> None:
        """Order, no gap and nothing twice are one property: what was seen is how the expected begins."""
        self.seen.append(event)
        count = len(self.seen)
        if count <= len(self.present):
            assert event in self.present and self.seen.count(event) == 1
        else:
            assert event == self.expected()[count - 1] and event.state.revision > self.promised

    def fell_behind(self) -> None:
        last = max(self.promised, *(event.state.revision for event in self.seen[len(self.present) :]), 0)
        unread = selected([event for event in self.model.history if event.state.revision > last], *self.scope)
        assert len(unread) > BEHIND, "a reader that keeps up is not cut off"


class Changes(Follower):
    def __init__(self, store: Store, model: Model, scope: tuple[Kind | None, str | None], since: int | None) -> None:
        super().__init__(model, scope, since)
        self.watch: Watch = store.watch(*scope, since)

    async def leave(self) -> None:
        self.watch.close()

    async def read(self, most: int) -> bool:
        """→ whether the watch goes on."""
        try:
            for _ in range(min(most, len(self.expected()) - len(self.seen))):
                change = await asyncio.wait_for(anext(self.watch), 5)
                id_ = Id(change.kind, change.entry.key)
                self.saw(Event(change.type, id_, state_of(change.entry.object()), None))
        except ApiError as error:
            assert error.code == 410
            self.fell_behind()
            return False
        assert most < MUCH or self.watch.waiting == 0, "nothing comes that nobody wrote"
        return True


class Selecting(Follower):
    """A watch of the API server, of one label, read up to its next bookmark."""

    def __init__(
        self, store: Store, model: Model, scope: tuple[Kind, str | None], tier: str, since: int | None
    ) -> None:
        super().__init__(model, scope, since)
        self.tier, self.marked = tier, asyncio.Event()
        self.present = [event for event in self.present if event.state.tier.startswith(tier)]
        self._store, self._kind = store, scope[0]
        request = call(store, *scope, "watch", labelSelector=f"tier={tier}" if tier else "")
        lines = stream.Lines(request, resources.selected(request), 3600, bookmarks=True)
        self._lines = lines.of(store.watch(*scope, since), store.revision if since is None else None)

    async def leave(self) -> None:
        await self._lines.aclose()

    async def read(self, most: int) -> bool:
        """Up to the bookmark of what is written by now; how much that is cannot be chosen."""
        return await self.read_until(self._store.revision)

    async def read_until(self, revision: int) -> bool:
        async for chunk in self._lines:
            for line in chunk.splitlines():
                said = json.loads(line)
                if said["type"] == "ERROR":
                    assert said["object"]["code"] == 410
                    self.fell_behind()
                    return False
                if said["type"] == "BOOKMARK":
                    self._promised(int(said["object"]["metadata"]["resourceVersion"]))
                    if self.promised >= revision:
                        return True
                else:
                    meta = said["object"]["metadata"]
                    id_ = Id(self._kind, Key(meta["namespace"], meta["name"]))
                    self.saw(Event(said["type"], id_, state_of(said["object"]), None))
        raise AssertionError("the watch ended by itself")

    def _promised(self, revision: int) -> None:
        due = self.present + [e for e in self.expected()[len(self.present) :] if e.state.revision <= revision]
        self.promised = revision
        self.marked.set()
        assert len(self.seen) >= len(due), f"the bookmark {revision} came before {due[len(self.seen) :]}"


class Pages:
    """One list in pages."""

    def __init__(self, store: Store, model: Model, kind: Kind, limit: int) -> None:
        self._store, self._kind, self._limit = store, kind, str(limit)
        self._model, self._revision, self._token, self._got = model, model.revision, "", list[tuple[Key, Any]]()

    async def turn(self) -> bool:
        """→ whether there is another page."""
        query = {"limit": self._limit} | ({"continue": self._token} if self._token else {})
        try:
            answer = await resources.list_(call(self._store, self._kind, None, "list", **query))
        except ApiError as error:
            assert error.code == 410 and self._revision < self._model.oldest(RING)
            return False
        listed = json.loads(bytes(answer.body))
        assert listed["metadata"]["resourceVersion"] == str(self._revision)
        for obj in listed["items"]:
            self._got.append((Key(obj["metadata"]["namespace"], obj["metadata"]["name"]), state_of(obj)))
        self._token = listed["metadata"].get("continue", "")
        if not self._token:
            assert self._got == wanted(self._model, self._kind, self._revision)
        return bool(self._token)


def wanted(model: Model, kind: Kind, revision: int) -> list[tuple[Key, Any]]:
    return sorted((id_.key, state) for id_, state in model.at(revision).items() if id_.kind == kind)


def _picked(those: list[Any], pick: int) -> list[Any]:
    return [those[pick % len(those)]] if those else []


class Machine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self._folder, self._runner = tempfile.TemporaryDirectory(), asyncio.Runner()
        self._store = self._runner.run(opened(Path(self._folder.name)))
        self._model = Model(self._store.revision)
        self._followers: list[Any] = []
        self._pages: list[Pages] = []

    def teardown(self) -> None:
        try:
            self._runner.run(self._read_all())
        finally:
            self._runner.run(self._store.close())
            self._runner.close()
            self._folder.cleanup()

    @rule(writes=st.lists(WRITES, min_size=2, max_size=14), watched=st.booleans())
    def writes_at_once(self, writes: list[Write], watched: bool) -> None:
        """Watches of the API server may be read meanwhile: their bookmarks must hold then, too."""
        taken = [self._model.take(write) for write in writes]

        async def storm() -> None:
            reading = [f for f in self._followers if isinstance(f, Selecting)] if watched else []
            codes = asyncio.gather(*(send(self._store, write) for write, _ in taken))
            going = await asyncio.gather(*(follower.read(0) for follower in reading))
            self._drop(reading, going)
            assert await codes == [code for _, code in taken], writes

        self._runner.run(storm())
        assert self._store.revision == self._model.revision

    @rule(scope=SCOPES, back=st.none() | st.integers(0, RING + 2))
    def watches_the_store(self, scope: tuple[Kind | None, str | None], back: int | None) -> None:
        since = self._since(back if scope[0] else back or 0)  # of every kind there are the Namespaces, too
        if since is not None and since < self._model.oldest(RING):
            with pytest.raises(ApiError) as caught:
                self._store.watch(*scope, since)
            assert (caught.value.code, caught.value.reason) == (410, "Expired")
        else:
            self._follow(Changes, scope, since)

    @rule(kind=st.sampled_from(KINDS), tier=st.sampled_from(["", *TIERS]), back=st.none() | st.integers(0, RING))
    def watches_the_server(self, kind: Kind, tier: str, back: int | None) -> None:
        since = self._since(back)
        if since is None or since >= self._model.oldest(RING):
            self._follow(Selecting, (kind, None), tier, since)

    @rule(pick=PICK, most=st.sampled_from([1, 3, MUCH]))
    def reads(self, pick: int, most: int) -> None:
        for follower in _picked(self._followers, pick):
            self._drop([follower], [self._runner.run(follower.read(most))])

    @rule(pick=PICK, event=PICK)
    def resumes(self, pick: int, event: int) -> None:
        """From any event on, a new watch sees what the old one saw, or will see."""
        for follower in _picked(self._followers, pick):
            for seen in _picked(follower.seen[::-1], event):
                if seen.state.revision >= self._model.oldest(RING):
                    again = self._start(Changes, follower.scope, seen.state.revision)
                    assert self._runner.run(again.read(MUCH))
                    again.watch.close()

    @rule(kind=st.sampled_from(KINDS), back=st.integers(0, RING + 2))
    def lists_the_past(self, kind: Kind, back: int) -> None:
        at = max(self._model.revision - back, 0)
        if at < self._model.oldest(RING):
            with pytest.raises(ApiError) as caught:
                self._store.list(kind, at=at)
            assert caught.value.code == 410
        else:
            revision, listed = self._store.list(kind, at=at)
            assert (revision, entries(listed)) == (at, wanted(self._model, kind, at))

    @rule(kind=st.sampled_from(KINDS), limit=st.integers(1, 4))
    def begins_a_list(self, kind: Kind, limit: int) -> None:
        pages = Pages(self._store, self._model, kind, limit)
        self._pages += [pages] if self._runner.run(pages.turn()) else []

    @rule()
    def turns_a_page(self) -> None:
        for pages in self._pages[:1]:
            self._pages = self._pages[1:] + ([pages] if self._runner.run(pages.turn()) else [])

    def _since(self, back: int | None) -> int | None:
        return None if back is None else max(self._model.revision - back, len(NAMESPACES))

    def _follow(self, *how: Any) -> None:
        """Watchers come and go: the earliest makes room."""
        for gone in self._followers[:-4]:
            self._runner.run(gone.leave())
        self._followers = [*self._followers[-4:], self._start(*how)]

    def _start(self, follower: Any, *how: Any) -> Any:
        async def started() -> Any:  # a watch belongs to a running loop
            return follower(self._store, self._model, *how)

        return self._runner.run(started())

    async def _read_all(self) -> None:
        for follower in self._followers:
            if await follower.read(MUCH):
                assert len(follower.seen) == len(follower.expected())

    def _drop(self, followers: list[Any], going: list[bool]) -> None:
        gone = [follower for follower, goes_on in zip(followers, going, strict=True) if not goes_on]
        self._followers = [follower for follower in self._followers if follower not in gone]


@pytest.fixture(autouse=True)
def short_history(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "RING", RING)
    monkeypatch.setattr(watching, "BEHIND", BEHIND)
    monkeypatch.setattr(stream, "_BOOKMARK_SECONDS", 0.001)


def test_lists_and_watches_agree_with_the_model() -> None:
    run_state_machine_as_test(Machine, settings=SHORT)


def test_a_bookmark_never_overtakes_a_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many readers, whose time for a bookmark comes again and again just when something is written."""
    monkeypatch.setattr(stream, "_BOOKMARK_SECONDS", 0.004)
    monkeypatch.setattr(watching, "BEHIND", 1000)

    async def crowd() -> None:
        store = await opened(tmp_path)
        model, end, marked = Model(store.revision), store.revision + 250, asyncio.Event()
        readers = [Selecting(store, model, (CONFIG_MAP, None), "", store.revision) for _ in range(20)]
        for reader in readers:
            reader.marked = marked

        async def write() -> None:
            while store.revision < end:
                await marked.wait()  # then the other readers' time comes just while this is written
                marked.clear()
                await send(store, model.take(Write("apply", MAP, "front", False, False))[0])

        try:
            await asyncio.gather(write(), *(reader.read_until(end) for reader in readers))
            assert all(len(reader.seen) == 250 for reader in readers)
        finally:
            await store.close()  # which ends whoever still reads

    asyncio.run(crowd())


@pytest.mark.soak
def test_lists_and_watches_agree_with_the_model_at_length() -> None:
    run_state_machine_as_test(Machine, settings=settings(SHORT, max_examples=1500, derandomize=False))
