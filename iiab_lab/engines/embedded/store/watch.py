"""Committed changes → ordered streams: one ring of recent history, any number of bounded watchers.

A watcher that does not keep up is cut off with 410, never waited for: its memory is bounded and nobody else is slowed.
The ring is also how a list of the past is read: today's state, with every change since undone.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import orjson

from ....errors import ApiError
from ..objects.kinds import Key, Kind
from ..objects.meta import Object

# Changes and bytes that are kept: of history for all, and ahead of one watcher.
RING, RING_BYTES = 20_000, 48 * 2**20
BEHIND, BEHIND_BYTES = 2_000, 8 * 2**20


@dataclass(frozen=True)
class Entry:
    """One state of one object: its bytes as stored, and what selectors need without decoding them."""

    key: Key
    revision: int
    raw: bytes
    warnings: tuple[str, ...] = ()

    def object(self) -> Object:
        """A fresh copy, yours to change."""
        decoded: Object = orjson.loads(self.raw)
        return decoded

    @cached_property
    def shared(self) -> Object:
        """Decoded once, for whoever only reads."""
        return self.object()

    def forget(self) -> None:
        """History is long: a state that was replaced keeps its bytes alone."""
        self.__dict__.pop("shared", None)

    @cached_property
    def labels(self) -> Mapping[str, str]:
        return self.shared["metadata"].get("labels") or {}


class Change(NamedTuple):
    """`before` is the state it replaced; for DELETED `entry` is the last state, at the revision of the deletion."""

    type: str
    kind: Kind
    entry: Entry
    before: Entry | None


def expired(since: int, oldest: int) -> ApiError:
    return ApiError(
        410, "Expired", f"too old resource version: {since} ({oldest})", "list again, then watch from there"
    )


class Watch:
    """An async iterator of Change; `close` ends it. `initial` of its first changes are the state it began with."""

    def __init__(self, hub: Hub, kind: Kind | None, namespace: str | None, backlog: list[Change], initial: int) -> None:
        self.kind, self.namespace, self.initial = kind, namespace, initial
        self._hub, self._backlog = hub, deque(backlog)
        self._fresh: deque[Change] = deque()
        self._bytes = 0
        self._awake, self._closed, self._lost = asyncio.Event(), False, False

    def __aiter__(self) -> Watch:
        return self

    async def __anext__(self) -> Change:
        while not self._backlog and not self._fresh:
            if self._lost:
                raise ApiError(410, "Expired", "the watch fell too far behind", "list again, then watch from there")
            if self._closed:
                raise StopAsyncIteration
            self._awake.clear()
            await self._awake.wait()
        return self.take()

    def take(self) -> Change:
        """The next change that waits; IndexError where none does."""
        if self._backlog:
            return self._backlog.popleft()
        change = self._fresh.popleft()
        self._bytes -= len(change.entry.raw)
        return change

    @property
    def waiting(self) -> int:
        return len(self._backlog) + len(self._fresh)

    @property
    def idle(self) -> bool:
        """Whether its reader has seen all there is."""
        return not self.waiting and not self._closed

    def offer(self, change: Change) -> None:
        if self.namespace and change.entry.key.namespace != self.namespace:
            return
        if len(self._fresh) >= BEHIND or self._bytes >= BEHIND_BYTES:
            self._backlog.clear()
            self._fresh.clear()
            self._lost = True
            self.close()
            return
        self._fresh.append(change)
        self._bytes += len(change.entry.raw)
        self._awake.set()

    def close(self) -> None:
        self._closed = True
        self._hub.drop(self)
        self._awake.set()


class Hub:
    def __init__(self, revision: int) -> None:
        self._ring: deque[Change] = deque()
        self._bytes = 0
        self.oldest = revision  # every change after this revision is in the ring
        self._watches: dict[Kind | None, set[Watch]] = {}

    def publish(self, change: Change) -> None:
        self._ring.append(change)
        self._bytes += len(change.entry.raw)
        while len(self._ring) > RING or self._bytes > RING_BYTES:
            gone = self._ring.popleft().entry
            self.oldest = gone.revision
            self._bytes -= len(gone.raw)
        for kind in (change.kind, None):
            for watch in tuple(self._watches.get(kind, ())):
                watch.offer(change)

    def after(self, revision: int, kind: Kind | None) -> Iterator[Change]:
        """The changes of a kind since a revision, latest first; raises 410 where they are no longer all kept."""
        if revision < self.oldest:
            raise expired(revision, self.oldest)
        for change in reversed(self._ring):
            if change.entry.revision <= revision:
                return
            if kind is None or change.kind == kind:
                yield change

    def subscribe(self, kind: Kind | None, namespace: str | None, since: int, present: list[Change] | None) -> Watch:
        """From `since` on, or the present objects first; atomic, because nothing here awaits. Kind None is every kind."""
        if present is not None:
            backlog = present
        else:
            missed = (c for c in self.after(since, kind) if not namespace or c.entry.key.namespace == namespace)
            backlog = list(missed)[::-1]
        watch = Watch(self, kind, namespace, backlog, len(backlog) if present is not None else 0)
        self._watches.setdefault(kind, set()).add(watch)
        return watch

    def drop(self, watch: Watch) -> None:
        self._watches.get(watch.kind, set()).discard(watch)

    def end(self, kind: Kind) -> None:
        """A kind that is no more: its watches end once their readers have seen all there was."""
        for watch in tuple(self._watches.get(kind, ())):
            watch.close()

    def close(self) -> None:
        for watches in list(self._watches.values()):
            for watch in tuple(watches):
                watch.close()
