"""Changes → SQLite, by one writer thread with group commit: whatever waits is written in one transaction.

WAL with synchronous=NORMAL: a commit survives the death of the process at any moment (not a power cut, which is out of
scope). Checkpoints run on the writer thread, off the event loop.
"""

from __future__ import annotations

import contextlib
import queue
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from ....errors import LabError
from ..objects.kinds import Key

BATCH = 500
_CHECKPOINT_PAGES = 4000

_TABLES = """
CREATE TABLE IF NOT EXISTS objects (
  resource TEXT, namespace TEXT, name TEXT, revision INTEGER, body BLOB, PRIMARY KEY (resource, namespace, name)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS revision (one INTEGER PRIMARY KEY CHECK (one = 1), revision INTEGER);
"""


class Record(NamedTuple):
    """One change to write; body None deletes."""

    resource: str
    key: Key
    revision: int
    body: bytes | None


Done = Callable[[BaseException | None], None]


class Log:
    """`append` may be called from one thread; `done` is called from the writer thread, in the order of appends."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._queue: queue.SimpleQueue[tuple[Record, Done] | None] = queue.SimpleQueue()
        self._check()
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._ready: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()

    def load(self) -> tuple[int, Iterator[Record]]:
        """The last revision, and every object."""
        with contextlib.closing(self._connect()) as database:
            last = database.execute("SELECT revision FROM revision").fetchone()
            rows = database.execute("SELECT resource, namespace, name, revision, body FROM objects").fetchall()
        return (last[0] if last else 0), (
            Record(r, Key(ns, name), revision, body) for r, ns, name, revision, body in rows
        )

    def start(self) -> None:
        self._thread.start()

    def append(self, record: Record, done: Done) -> None:
        self._queue.put((record, done))

    def close(self) -> None:
        """Writes what waits, then stops."""
        self._queue.put(None)
        if self._thread.is_alive():
            self._thread.join()

    def _connect(self) -> sqlite3.Connection:
        database = sqlite3.connect(self._path, isolation_level=None)
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("PRAGMA synchronous=NORMAL")
        database.execute("PRAGMA wal_autocheckpoint=0")
        return database

    def _check(self) -> None:
        """A file that is no database, or a broken one, is named and left where it is: never replaced in silence."""
        try:
            with contextlib.closing(self._connect()) as database:
                database.executescript(_TABLES)
                found = database.execute("PRAGMA quick_check(1)").fetchone()[0]
        except sqlite3.DatabaseError as error:
            found = str(error)
        if found != "ok":
            raise LabError(
                f"The store {self._path} is damaged: {found}.",
                f"move it aside to keep it ({self._path}.damaged) and start again, or forget everything: iiab reset",
            )

    def _run(self) -> None:
        database = self._connect()
        pages = 0
        while batch := self._next():
            try:
                self._write(database, [record for record, _ in batch])
                failure: BaseException | None = None
            except sqlite3.Error as error:
                failure = error
            for _, done in batch:
                done(failure)
            pages += len(batch)
            if pages >= _CHECKPOINT_PAGES and self._queue.empty():
                database.execute("PRAGMA wal_checkpoint(PASSIVE)")
                pages = 0
        with contextlib.suppress(sqlite3.Error):
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        database.close()

    def _next(self) -> list[tuple[Record, Done]]:
        """Blocks for one change, then takes whatever else waits; [] at the end."""
        batch: list[tuple[Record, Done]] = []
        item = self._queue.get()
        while item is not None:
            batch.append(item)
            if len(batch) >= BATCH or self._queue.empty():
                return batch
            item = self._queue.get()
        if batch:
            self._queue.put(None)  # the end again, after this batch
        return batch

    def _write(self, database: sqlite3.Connection, records: list[Record]) -> None:
        database.execute("BEGIN IMMEDIATE")
        try:
            for resource, key, revision, body in records:
                if body is None:
                    database.execute(
                        "DELETE FROM objects WHERE resource=? AND namespace=? AND name=?", (resource, *key)
                    )
                else:
                    database.execute(
                        "INSERT OR REPLACE INTO objects VALUES (?,?,?,?,?)", (resource, *key, revision, body)
                    )
            database.execute("INSERT OR REPLACE INTO revision VALUES (1, ?)", (records[-1].revision,))
            database.execute("COMMIT")
        except sqlite3.Error:
            with contextlib.suppress(sqlite3.Error):
                database.execute("ROLLBACK")
            raise
