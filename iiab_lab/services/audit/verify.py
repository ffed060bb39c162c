"""A stream, with or without the key of its seal → how many records hold, or the first place where it is not as it was written."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from .record import opened
from .stream import HEAD, Head, first_of, segments

_PATIENCE, _LOOK = 3.0, 0.05


@dataclass(frozen=True)
class Verdict:
    """`records` hold, the last of them is `seq` with `hash`. `broken`: what is wrong, "" for nothing; then `file`, `line`
    (from 1) and `seq` say where. `sealed`: whether the head was checked with its key. `unsealed`: of a copy, how many stand
    behind its head, written while it was made."""

    records: int = 0
    seq: int = 0
    hash: str = ""
    sealed: bool = False
    broken: str = ""
    file: str = ""
    line: int = 0
    unsealed: int = 0

    def __str__(self) -> str:
        if self.broken:
            where = f"{self.file}, line {self.line}" if self.line else self.file
            cure = "compare it with a copy of the stream (iiab backup writes one); what stands before that place still holds"
            return f"BROKEN at record {self.seq} ({where}): {self.broken}.\n  → {cure}"
        sealed = "sealed" if self.sealed else "no key here: the chain holds, its end was not checked"
        said = f"{self.records} records hold; the last is {self.seq} ({sealed}).\n"
        if self.unsealed:
            said += f"{self.unsealed} more were written while the copy was made, and are not sealed in it.\n"
        return f"{said}head {self.hash}"


class _Broken(Exception):
    def __init__(self, why: str, seq: int, file: str = HEAD, line: int = 0) -> None:
        super().__init__(why)
        self.why, self.seq, self.file, self.line = why, seq, file, line


def verify(folder: Path, key: bytes | None = None, *, copy: bool = False) -> Verdict:
    """The stream may be written to meanwhile: then the head is followed once. Nobody writes to a copy, whose head may have been
    taken before the segments. Raises FileNotFoundError for no stream at all."""
    if not segments(folder) and not (folder / HEAD).exists():
        raise FileNotFoundError(folder)
    anchor, verdict = _anchor(folder, key), _once(folder, key, copy)
    # Retention may have removed a segment just as it was to be read.
    return _once(folder, key, copy) if verdict.broken and _anchor(folder, key) != anchor else verdict


def _once(folder: Path, key: bytes | None, copy: bool) -> Verdict:
    verdict = Verdict(sealed=key is not None)
    try:
        head = _head(folder, key)
        chain = _Chain(folder, head)
        extra = chain.follow(head)
        if extra and copy:
            verdict = replace(verdict, unsealed=extra)
        elif extra:  # either the writer is at work and commits them in a moment, or nobody ever will
            chain.follow(_newer(folder, key, head, chain))
        return replace(verdict, records=chain.seq - head.anchor[0], seq=chain.seq, hash=chain.hash)
    except _Broken as broken:
        return replace(verdict, seq=broken.seq, broken=broken.why, file=broken.file, line=broken.line)


def _head(folder: Path, key: bytes | None) -> Head:
    try:
        return Head.load(folder, key)
    except FileNotFoundError:
        raise _Broken(f"{HEAD} is missing", 0) from None
    except ValueError as error:
        raise _Broken(str(error), 0) from None


def _anchor(folder: Path, key: bytes | None) -> tuple[int, str] | None:
    try:
        return Head.load(folder, key).anchor
    except (OSError, ValueError):
        return None


def _newer(folder: Path, key: bytes | None, head: Head, chain: _Chain) -> Head:
    deadline = time.monotonic() + _PATIENCE
    while (found := _head(folder, key)).seq <= head.seq:
        if time.monotonic() > deadline:
            raise _Broken(
                "something stands behind the last committed record", chain.seq + 1, chain.file, chain.line + 1
            )
        time.sleep(_LOOK)
    return found


def _lines(file: Path, begin: int) -> int:
    rest = file.read_bytes()[begin:]
    return rest.count(b"\n") + (bool(rest) and not rest.endswith(b"\n"))


class _Chain:
    """How far it holds: number and hash of the last record, and where that stands."""

    def __init__(self, folder: Path, head: Head) -> None:
        self._folder = folder
        self.seq, self.hash = head.anchor
        self.file, self.line, self._at = "", 0, 0

    def follow(self, head: Head) -> int:
        """Up to the head; raises _Broken. → how many lines stand behind it, the last one whole or not."""
        for text in self._lines(head):
            self._next(text)
        if (self.seq, self.hash) != (head.seq, head.hash):
            if self.seq < head.seq:
                raise _Broken(
                    f"records {self.seq + 1} to {head.seq} are missing", self.seq + 1, self.file, self.line + 1
                )
            raise _Broken(f"record {head.seq} is not the one that was committed", head.seq, self.file, self.line)
        behind = [file for file in segments(self._folder) if file.name >= head.segment]
        return sum(_lines(file, head.size if file.name == head.segment else 0) for file in behind)

    def _lines(self, head: Head) -> Iterator[bytes]:
        """Of every committed segment from where we are, in order of their names."""
        for file in segments(self._folder):
            if file.name < self.file or file.name > head.segment:
                continue
            if file.name != self.file:
                if first_of(file) != self.seq + 1:
                    why = f"the segment {file.name} follows record {self.seq}"
                    raise _Broken(why, self.seq + 1, file.name, 1)
                self.file, self.line, self._at = file.name, 0, 0
            content = file.read_bytes()[self._at : head.size if file.name == head.segment else None]
            self._at += len(content)
            if content and not content.endswith(b"\n"):
                content += b"\n\0\n"  # no record: what is cut off is found where it stands
            yield from content.split(b"\n")[:-1]

    def _next(self, text: bytes) -> None:
        self.line += 1
        found = opened(text)
        if found is None:
            raise _Broken("its content is not what its hash was made of", self.seq + 1, self.file, self.line)
        seq, previous, digest = found
        if seq != self.seq + 1 or previous != self.hash:
            why = f"record {seq} stands where record {self.seq + 1} should"
            if seq == self.seq + 1:
                why = f"record {seq} does not follow the record before it"
            raise _Broken(why, self.seq + 1, self.file, self.line)
        self.seq, self.hash = seq, digest
