"""Committed changes → ordered streams: one ring of recent events, any number of bounded watchers.

A watcher that does not keep up is cut off with 410, never waited for: its memory is bounded and nobody else is slowed.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import orjson

from ....errors import ApiError
from ..objects.kinds import Key, Kind
from ..objects.meta import Object

RING, BEHIND = 20_000, 2_000


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
    def labels(self) -> Mapping[str, str]:
        return self.object()["metadata"].get("labels") or {}


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
    """An async iterator of Change; `close` ends it."""

    def __init__(self, hub: Hub, kind: Kind, namespace: str | None, backlog: list[Change]) -> None:
        self.kind, self.namespace = kind, namespace
        self._hub, self._pending = hub, deque(backlog)
        self._awake, self._closed, self._lost = asyncio.Event(), False, False

    def __aiter__(self) -> Watch:
        return self

    async def __anext__(self) -> Change:
        while not self._pending:
            if self._lost:
                raise expired(0, 0)
            if self._closed:
                raise StopAsyncIteration
            self._awake.clear()
            await self._awake.wait()
        return self._pending.popleft()

    @property
    def has_backlog(self) -> bool:
        return bool(self._pending)

    def offer(self, change: Change) -> None:
        if self.namespace and change.entry.key.namespace != self.namespace:
            return
        if len(self._pending) >= BEHIND:
            self._pending.clear()
            self._lost = True
            self.close()
            return
        self._pending.append(change)
        self._awake.set()

    def close(self) -> None:
        self._closed = True
        self._hub.drop(self)
        self._awake.set()


class Hub:
    def __init__(self, revision: int) -> None:
        self._ring: deque[Change] = deque(maxlen=RING)
        self._before_ring = revision  # every event after this revision is in the ring
        self._watches: dict[Kind, set[Watch]] = {}

    def publish(self, change: Change) -> None:
        if len(self._ring) == RING:
            self._before_ring = self._ring[0].entry.revision
        self._ring.append(change)
        for watch in tuple(self._watches.get(change.kind, ())):
            watch.offer(change)

    def subscribe(self, kind: Kind, namespace: str | None, since: int, present: list[Change] | None) -> Watch:
        """From `since` on, or the present objects first; atomic, because nothing here awaits."""
        if present is not None:
            backlog = present
        elif since < self._before_ring:
            raise expired(since, self._before_ring)
        else:
            backlog = [
                change
                for change in self._ring
                if change.kind == kind
                and change.entry.revision > since
                and (not namespace or change.entry.key.namespace == namespace)
            ]
        watch = Watch(self, kind, namespace, backlog)
        self._watches.setdefault(kind, set()).add(watch)
        return watch

    def drop(self, watch: Watch) -> None:
        self._watches.get(watch.kind, set()).discard(watch)

    def close(self) -> None:
        for watches in list(self._watches.values()):
            for watch in tuple(watches):
                watch.close()
