"""One change → the head at once, the disk next, then what readers and watchers see, in the order of revisions.

The head is what is committed plus what is on its way to disk: writes are checked against it. Should the disk refuse, the
head falls back to what is committed, and every write that built on the refused one fails with it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from ....errors import ApiError
from ..objects.kinds import Key, Kind
from .log import Log, Record
from .watch import Change, Entry

Table = dict[Key, Entry]


class Tables:
    def __init__(self, log: Log, published: Callable[[Change], None]) -> None:
        """`published` is called for each change once it is durable."""
        self._log, self._published = log, published
        self._head: dict[Kind, Table] = {}
        self._committed: dict[Kind, Table] = {}
        self._next = self._epoch = 0
        self._on_the_way: dict[int, asyncio.Future[None]] = {}
        self._changed: dict[Kind, int] = {}
        self.revision = 0
        self._loop = asyncio.get_running_loop()

    def load(self, revision: int, entries: dict[Kind, Table]) -> None:
        self.revision = self._next = revision
        self._committed = entries
        self._fall_back()

    def head(self, kind: Kind) -> Table:
        """Yours to read."""
        return self._head.setdefault(kind, {})

    def committed(self, kind: Kind) -> Table:
        """Yours to read."""
        return self._committed.get(kind, {})

    def kinds(self) -> list[Kind]:
        return list(self._committed)

    def changed(self, kind: Kind) -> int:
        """The revision of the latest committed change of a kind since the start; 0 before the first."""
        return self._changed.get(kind, 0)

    @property
    def next_revision(self) -> int:
        """Of the change that is committed next, provided nothing awaits before."""
        return self._next + 1

    async def commit(self, change: Change) -> None:
        """Returns when it is durable. Until the append nothing awaits: the log's order is the revisions' order."""
        self._next += 1
        _apply(self.head(change.kind), change)
        durable = self._on_the_way[change.entry.revision] = self._loop.create_future()
        body = None if change.type == "DELETED" else change.entry.raw
        record = Record(change.kind.resource, change.entry.key, change.entry.revision, body)
        epoch = self._epoch

        def done(failure: BaseException | None) -> None:
            self._loop.call_soon_threadsafe(self._settle, change, durable, epoch, failure)

        self._log.append(record, done)
        await self.durable(change.entry)

    async def durable(self, entry: Entry) -> None:
        """Returns when a state of the head is on disk; raises 507 where it does not get there."""
        if durable := self._on_the_way.get(entry.revision):
            await asyncio.shield(durable)

    def _settle(self, change: Change, durable: asyncio.Future[None], epoch: int, failure: BaseException | None) -> None:
        del self._on_the_way[change.entry.revision]
        if failure is not None:
            if epoch == self._epoch:  # the first of those that fail together
                self._epoch += 1
                self._fall_back()
                self._log.resume()
            if not durable.cancelled():
                durable.set_exception(_refused(failure))
            return
        self.revision = self._changed[change.kind] = change.entry.revision
        _apply(self._committed.setdefault(change.kind, {}), change)
        self._published(change)
        if change.before is not None:
            change.before.forget()
        if not durable.cancelled():
            durable.set_result(None)

    def _fall_back(self) -> None:
        self._head = {kind: dict(table) for kind, table in self._committed.items()}


def _apply(table: Table, change: Change) -> None:
    if change.type == "DELETED":
        table.pop(change.entry.key, None)
    else:
        table[change.entry.key] = change.entry


def _refused(failure: BaseException) -> ApiError:
    return ApiError(
        507, "InsufficientStorage", f"the write could not be made durable: {failure}", "free some disk space, try again"
    )
