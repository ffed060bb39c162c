"""Changes → SQLite, by one writer thread with group commit: whatever waits is written in one transaction.

WAL with synchronous=NORMAL: a commit survives the death of the process at any moment (not a power cut, which is out of
scope). Checkpoints run on the writer thread, off the event loop. Only the present is kept on disk: history lives in memory.

After a failed transaction every later change fails too, until `resume`: it may build on what was never written.
"""

from __future__ import annotations

import contextlib
import itertools
import queue
import sqlite3
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from ....errors import LabError
from ..objects.kinds import Key

BATCH = 500
_CHECKPOINT_EVERY = 4000

_TABLES = """
CREATE TABLE IF NOT EXISTS objects (
  resource TEXT, namespace TEXT, name TEXT, revision INTEGER, body BLOB, checksum INTEGER,
  PRIMARY KEY (resource, namespace, name)
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
_RESUME = Record("", Key("", ""), 0, None)


class Log:
    """`append` may be called from one thread; `done` is called from the writer thread, in the order of appends."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._queue: queue.SimpleQueue[tuple[Record, Done] | None] = queue.SimpleQueue()
        self._failure: BaseException | None = None
        check(path)
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)

    def load(self) -> tuple[int, Iterator[Record]]:
        """The last revision, and every object."""
        with contextlib.closing(connect(self._path)) as database:
            last = database.execute("SELECT revision FROM revision").fetchone()
            rows = database.execute("SELECT resource, namespace, name, revision, body FROM objects").fetchall()
        return (last[0] if last else 0), (
            Record(r, Key(ns, name), revision, body) for r, ns, name, revision, body in rows
        )

    def start(self) -> None:
        self._thread.start()

    def append(self, record: Record, done: Done) -> None:
        self._queue.put((record, done))

    def resume(self) -> None:
        """What is appended from now on builds on what is on disk again."""
        self._queue.put((_RESUME, lambda failure: None))

    def close(self) -> None:
        """Writes what waits, then stops."""
        self._queue.put(None)
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        database, since_checkpoint = connect(self._path), 0
        while batch := self._next():
            for part in _between_resumes(batch):
                self._settle(database, part)
            since_checkpoint += len(batch)
            if since_checkpoint >= _CHECKPOINT_EVERY and self._queue.empty():
                database.execute("PRAGMA wal_checkpoint(PASSIVE)")
                since_checkpoint = 0
        with contextlib.suppress(sqlite3.Error):
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        database.close()

    def _settle(self, database: sqlite3.Connection, batch: list[tuple[Record, Done]]) -> None:
        if batch[0][0] is _RESUME:
            self._failure = None
        elif self._failure is None:
            try:
                _write(database, [record for record, _ in batch])
            except Exception as error:  # whatever it is: who waits must hear of it, and the next batch have its thread
                self._failure = error
        for _, done in batch:
            done(self._failure)

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


def connect(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=NORMAL")
    database.execute("PRAGMA wal_autocheckpoint=0")
    return database


def check(path: Path) -> None:
    """A file that is no database, or a broken one, is set aside whole and named: never repaired or replaced in silence."""
    try:
        with contextlib.closing(connect(path)) as database:
            database.executescript(_TABLES)
            _require_form(database, path)
            found = _damage(database)
    except sqlite3.OperationalError as error:  # the disk, or the rights to it: nothing is known of the content
        raise LabError(f"The store {path} cannot be opened: {error}.", "free some disk space: df -h") from error
    except sqlite3.DatabaseError as error:
        found = str(error)
    if found:
        kept = set_aside(path)
        raise LabError(
            f"The store {path} is damaged: {found}. It was set aside, nothing of it is lost: {kept}.",
            "put a backup in its place: iiab restore FILE; or begin anew from the manifests: iiab up",
        )


def _require_form(database: sqlite3.Connection, path: Path) -> None:
    if "checksum" not in {row[1] for row in database.execute("PRAGMA table_info(objects)")}:
        raise LabError(
            f"The store {path} has the form of an earlier release.", "begin anew from the manifests: iiab reset"
        )


def _damage(database: sqlite3.Connection) -> str:
    """What is wrong with the pages of the file, or with a body that the pages cannot tell is wrong; "" if nothing is."""
    said = database.execute("PRAGMA integrity_check(1)").fetchone()[0]
    if said != "ok":
        return str(said)
    for resource, namespace, name, body, checksum in database.execute(
        "SELECT resource, namespace, name, body, checksum FROM objects"
    ):
        if zlib.crc32(body) != checksum:
            return f"{resource} {namespace}/{name} is not as it was written"
    return ""


def set_aside(path: Path) -> Path:
    """Moves the database and its write-ahead files to names that nothing reads → the new name."""
    kept = path.with_name(f"{path.name}.damaged-{time.strftime('%Y%m%d-%H%M%S')}")
    for suffix in ("", "-wal", "-shm"):
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.rename(kept.with_name(kept.name + suffix))
    return kept


def _between_resumes(batch: list[tuple[Record, Done]]) -> Iterator[list[tuple[Record, Done]]]:
    for _, part in itertools.groupby(batch, key=lambda item: item[0] is _RESUME):
        yield list(part)


def _write(database: sqlite3.Connection, records: list[Record]) -> None:
    database.execute("BEGIN IMMEDIATE")
    try:
        for resource, key, revision, body in records:
            if body is None:
                database.execute("DELETE FROM objects WHERE resource=? AND namespace=? AND name=?", (resource, *key))
            else:
                row = (resource, *key, revision, body, zlib.crc32(body))
                database.execute("INSERT OR REPLACE INTO objects VALUES (?,?,?,?,?,?)", row)
        database.execute("INSERT OR REPLACE INTO revision VALUES (1, ?)", (records[-1].revision,))
        database.execute("COMMIT")
    except Exception:
        with contextlib.suppress(sqlite3.Error):
            database.execute("ROLLBACK")
        raise
