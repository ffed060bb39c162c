"""Facts → segments of chained records, only ever appended to, and a sealed head that says how far they are committed.

<stream>/<number of its first record>.jsonl   one record a line, 0600, and 0400 once it is full
<stream>/0-head.json                          the last committed record, how far each log was read, what retention removed

The head is replaced in one step after the records are written: what a crash leaves behind it is cut off and read again from
the logs, so that no line is lost or doubled. Its seal (HMAC-SHA256) is by a key that lies elsewhere: whoever changes the
segments, their end included, cannot make a head that fits.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from .record import GENESIS, Fact, line

# Sorts before the segments: a backup that is made meanwhile has a head that its segments reach.
HEAD = "0-head.json"
_DIGITS = 12


@dataclass(frozen=True)
class Limits:
    """A segment ends after so many bytes and at midnight UTC; the oldest go beyond so many days, or so many bytes in all."""

    segment: int = 16 << 20
    days: float = 30.0
    total: int = 1 << 30


class Head(NamedTuple):
    """`size` is how much of `segment` is committed; `anchor` the last record that retention removed: (number, hash)."""

    seq: int
    hash: str
    segment: str
    size: int
    anchor: tuple[int, str]
    positions: Mapping[str, tuple[int, int]]

    def dump(self, key: bytes) -> bytes:
        body = self._asdict()
        sealed = hmac.new(key, orjson.dumps(body, option=orjson.OPT_SORT_KEYS), hashlib.sha256).hexdigest()
        return orjson.dumps({**body, "seal": sealed}, option=orjson.OPT_INDENT_2)

    @classmethod
    def load(cls, folder: Path, key: bytes | None) -> Head:
        """Raises FileNotFoundError, and ValueError where it is not whole or, given the key, not as it was sealed."""
        content = (folder / HEAD).read_bytes()
        body = orjson.loads(content)
        try:
            del body["seal"]
            positions = {str(name): (int(at[0]), int(at[1])) for name, at in body.pop("positions").items()}
            anchor = body.pop("anchor")
            made = cls(**body, anchor=(int(anchor[0]), str(anchor[1])), positions=positions)
        except (KeyError, TypeError, AttributeError, IndexError) as error:
            raise ValueError(f"{HEAD} is not whole: {error}") from error
        if key is not None and content != made.dump(key):
            raise ValueError(f"{HEAD} is not as it was sealed")
        return made


def segments(folder: Path) -> list[Path]:
    return sorted(folder.glob("[0-9]" * _DIGITS + ".jsonl"))


def first_of(segment: Path) -> int:
    return int(segment.stem)


class Stream:
    """One writer at a time. `found` says what was wrong with what was there, "" for nothing."""

    def __init__(self, folder: Path, key: bytes, limits: Limits = Limits()) -> None:
        self._folder, self._key, self._limits = folder, key, limits
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.found = ""
        self._day = ""  # on which the segment was begun
        self.head = self._recovered()
        self._file = self._continued()

    def append(self, facts: Iterable[Fact], day: str) -> None:
        """Nothing is committed yet. `day` is today's date, UTC: another one begins a segment."""
        if self.head.size and (self.head.size >= self._limits.segment or self._day not in ("", day)):
            self._next()
        self._day = day
        seq, previous, size, written = self.head.seq, self.head.hash, self.head.size, []
        for fact in facts:
            seq += 1
            text, previous = line(fact, seq, previous)
            written.append(text)
            size += len(text) + 1
        if written:
            self._file.write(b"\n".join(written) + b"\n")
            self._file.flush()
        self.head = self.head._replace(seq=seq, hash=previous, size=size)

    def commit(self, positions: Mapping[str, tuple[int, int]]) -> None:
        self.head = self.head._replace(positions=dict(positions))
        fresh = self._folder / f"{HEAD}.new"
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(self.head.dump(self._key))
        fresh.replace(self._folder / HEAD)

    def expired(self, now: float) -> list[Path]:
        """Whole segments that retention asks to remove, the oldest first; never the one being written."""
        closed = [(file, file.stat()) for file in segments(self._folder)[:-1]]
        total, gone = self.head.size + sum(stat.st_size for _, stat in closed), []
        for file, stat in closed:
            if total <= self._limits.total and now - stat.st_mtime < self._limits.days * 86400:
                break
            gone.append(file)
            total -= stat.st_size
        return gone

    def remove(self, gone: list[Path]) -> tuple[int, int]:
        """Moves the anchor behind them, then removes them → the first and the last number that went."""
        first, last = first_of(gone[0]), gone[-1].read_bytes().rsplit(b"\n", 2)[-2]
        record = orjson.loads(last)
        self.head = self.head._replace(anchor=(record["seq"], record["hash"]))
        self.commit(self.head.positions)  # before they go: a crash leaves too much, never too little
        for file in gone:
            file.unlink()
        return first, int(record["seq"])

    def close(self) -> None:
        self._file.close()

    def _recovered(self) -> Head:
        try:
            head = Head.load(self._folder, self._key)
        except FileNotFoundError:
            if not segments(self._folder):
                return Head(0, GENESIS, "", 0, (0, GENESIS), {})
            return self._salvaged(f"{HEAD} was missing")
        except ValueError as error:
            return self._salvaged(str(error))
        for file in segments(self._folder):
            removed, uncommitted = first_of(file) <= head.anchor[0], first_of(file) > head.seq
            if removed or (uncommitted and file.name != head.segment):
                file.unlink()  # a crash came between
        return head

    def _salvaged(self, why: str) -> Head:
        """Goes on behind the last whole record; `verify` will say where the break is. Every log is read again."""
        self.found = why
        for file in reversed(segments(self._folder)):
            for text in reversed(file.read_bytes().splitlines()):
                with contextlib.suppress(ValueError, KeyError, TypeError):
                    record = orjson.loads(text)
                    return Head(int(record["seq"]), str(record["hash"]), "", 0, (0, GENESIS), {})
        return Head(0, GENESIS, "", 0, (0, GENESIS), {})

    def _continued(self) -> Any:
        """The segment that the head names, cut off where it was committed; a new one where that is not as it was left."""
        file = self._folder / self.head.segment
        if self.head.segment and file.exists() and file.stat().st_size >= self.head.size:
            self._day = time.strftime("%Y-%m-%d", time.gmtime(file.stat().st_mtime))
            os.truncate(file, self.head.size)
            return file.open("ab")
        if self.head.segment:
            self.found = self.found or f"{self.head.segment} had lost records"
        return self._begun()

    def _begun(self) -> Any:
        name = f"{self.head.seq + 1:0{_DIGITS}}.jsonl"
        self.head = self.head._replace(segment=name, size=0)
        return os.fdopen(os.open(self._folder / name, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab")

    def _next(self) -> None:
        self._file.close()
        (self._folder / self.head.segment).chmod(0o400)
        self._file = self._begun()
