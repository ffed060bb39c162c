"""Records and events → frames on a pipe and back: what the generator's process tells its parent while it runs.

A frame is one byte of kind, four of length, then its content: `E` an event as JSON, `R` records of 32 bytes each, one per
request that came to an end.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from typing import IO, Any, NamedTuple

_HEAD, _RECORD = struct.Struct("<cI"), struct.Struct("<dfffHHHHHH")
_WORDS = 1000
KINDS = ("errors", "revisions", "answers")
# Why a run came to its end, and words that stand in a record's `error` where a request was not sent or not waited for.
DONE, STOPPED, BOUND, DIED, UNSENT = "done", "stopped", "bound", "died", "unsent"
# The same record as numpy reads it.
DTYPE = [
    ("due", "<f8"),
    ("lateness", "<f4"),
    ("held", "<f4"),
    ("latency", "<f4"),
    ("status", "<u2"),
    ("error", "<u2"),
    ("revision", "<u2"),
    ("phase", "<u2"),
    ("asked", "<u2"),
    ("answer", "<u2"),
]


class Record(NamedTuple):
    """Seconds. `due` counts from the beginning of the run; `lateness` is from due to sent, of which `held` was spent waiting for
    a free connection; `latency` is from due to the last byte. `status` is 0 where no answer came. `error`, `revision` and
    `answer` are numbers of words that an event has told before; 0 is "". `asked` counts the call's bodies.
    """

    due: float
    lateness: float
    held: float
    latency: float
    status: int
    error: int
    revision: int
    phase: int
    asked: int
    answer: int


class Outbox:
    """Records that wait to be sent, and the words in which they speak: text → number."""

    def __init__(self) -> None:
        self._records = bytearray()
        self._words: dict[str, dict[str, int]] = {kind: {"": 0} for kind in KINDS}

    def add(self, record: Record) -> None:
        self._records += _RECORD.pack(*record)

    def word(self, kind: str, text: str) -> int:
        """Its number; `other`, once a service has answered with a thousand different ones."""
        known = self._words[kind]
        return known.setdefault(text if text in known or len(known) < _WORDS else "other", len(known))

    def take(self, **event: object) -> bytes:
        """The event, with the words, before the records that use them."""
        records, self._records = bytes(self._records), bytearray()
        words = {kind: list(known) for kind, known in self._words.items()}
        return _framed(b"E", json.dumps(event | words).encode()) + (_framed(b"R", records) if records else b"")


def _framed(kind: bytes, content: bytes) -> bytes:
    return _HEAD.pack(kind, len(content)) + content


def frames(pipe: IO[bytes]) -> Iterator[dict[str, Any] | bytes]:
    """Events as dictionaries, records as bytes, until the pipe closes. A frame that was cut off is left out."""
    while len(head := pipe.read(_HEAD.size)) == _HEAD.size:
        kind, length = _HEAD.unpack(head)
        content = pipe.read(length)
        if len(content) < length:
            return
        yield json.loads(content) if kind == b"E" else content
