"""A log file that grows, is rotated and begins anew → its lines, each once, from wherever a position says.

Rotated by renaming (the kubelet, the API server), by emptying it in place after a copy beside it (copytruncate), or by
making a hole of its front (the embedded engine): what was written before is read to its end first. What was gone before it
could be read is counted.
"""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path
from typing import NamedTuple

from ... import holes

_CHUNK, _TAIL = 1 << 20, 64
# The container runtime's own prefix on a cluster: time, stream, F for a whole line or P for a part of one.
_CRI = re.compile(rb"\S+ (?:stdout|stderr) ([FP]) ")


class Position(NamedTuple):
    """Of the next byte to read. `inode` 0 is a file not begun."""

    inode: int = 0
    offset: int = 0


class Log:
    def __init__(self, path: Path, position: Position = Position()) -> None:  # noqa: B008 - it is immutable
        self.path, self.position = path, position
        self._open: int | None = None
        self._read = b""  # the last bytes before our position: another file may have grown as long in its place
        self.lost = 0  # bytes that were gone before they were read, since this was last taken

    def close(self) -> None:
        if self._open is not None:
            os.close(self._open)
            self._open = None

    @property
    def behind(self) -> int:
        """Bytes written and not read yet."""
        with contextlib.suppress(OSError):
            return max(0, self.path.stat().st_size - self.position.offset)
        return 0

    def lines(self) -> list[bytes]:
        """What is new, whole lines only, at most about a mebibyte of them."""
        found = self._here() if self._descriptor() is not None else []
        if not found and self._open is not None and (after := self._after()):
            found = self._here()  # the last words, written between our look and the rotation
            if not found:
                self._begin(after)
                found = self._here()
        return found

    def _here(self) -> list[bytes]:
        """From the file that is open."""
        assert self._open is not None
        inode, offset = self.position
        size = os.fstat(self._open).st_size
        if size < offset or self._another(offset):
            return self._emptied(offset)
        if size == offset:
            return []
        first = holes.first_byte(self._open, offset)
        chunk, cut = os.pread(self._open, _CHUNK, first), 0
        if first > offset:  # the line that the hole ends in is gone as well
            cut = chunk.find(b"\n") + 1 or len(chunk)
            self.lost += first + cut - offset
        found, used = _whole(chunk[cut:])
        if not used and len(chunk) == _CHUNK:  # no line of a log is that long
            self.lost += len(chunk)
            used = len(chunk) - cut
        self.position = Position(inode, first + cut + used)
        if cut + used:
            self._read = chunk[max(0, cut + used - _TAIL) : cut + used]
        return found

    def _another(self, offset: int) -> bool:
        """Whether what stands before our position is not what we read there."""
        begin = offset - len(self._read)
        assert self._open is not None
        if not self._read or holes.first_byte(self._open, begin) != begin:
            return False
        return os.pread(self._open, len(self._read), begin) != self._read

    def _emptied(self, offset: int) -> list[bytes]:
        """The file was emptied in place: what it held is in its copy."""
        found: list[bytes] = []
        try:
            with self.path.with_name(self.path.name + ".1").open("rb") as copy:
                copy.seek(offset)
                found, _ = _whole(copy.read())
        except OSError:
            self.lost += 1  # how much, nobody knows
        self.position, self._read = Position(self.position.inode, 0), b""
        return found

    def _descriptor(self) -> int | None:
        if self._open is None:
            files = self._rotation()
            started = next((file for file in files if _inode(file) == self.position.inode), None)
            if files and started is None and self.position.inode:
                self.lost += 1  # how much, nobody knows: the file is gone
                self.position = Position()
            if files:
                self._begin(started or files[0])
        return self._open

    def _begin(self, file: Path) -> None:
        self.close()
        with contextlib.suppress(OSError):
            self._open = os.open(file, os.O_RDONLY)
            inode = os.fstat(self._open).st_ino
            if inode != self.position.inode:
                self.position, self._read = Position(inode, 0), b""

    def _after(self) -> Path | None:
        """The file that took the place of ours when it was renamed; None while ours is the one being written."""
        if _inode(self.path) == self.position.inode:
            return None
        files = self._rotation()
        inodes = [_inode(file) for file in files]
        if self.position.inode in inodes:
            return next(iter(files[inodes.index(self.position.inode) + 1 :]), None)
        return files[0] if files else None

    def _rotation(self) -> list[Path]:
        """Those set aside, the oldest first, then the one being written."""
        aside = [file for file in self.path.parent.glob(self.path.name + ".*") if file.suffix != ".gz"]
        with contextlib.suppress(OSError):
            aside.sort(key=lambda file: file.stat().st_mtime_ns)
        return aside + ([self.path] if self.path.exists() else [])


def _inode(file: Path) -> int:
    try:
        return file.stat().st_ino
    except OSError:
        return 0


def _whole(chunk: bytes) -> tuple[list[bytes], int]:
    """The whole lines of a chunk, as the program wrote them, and how many bytes they take."""
    found: list[bytes] = []
    used, at, parts = 0, 0, b""
    for text in chunk.split(b"\n")[:-1]:
        at += len(text) + 1
        prefix = None if text[:1] == b"{" else _CRI.match(text)
        parts += text[prefix.end() :] if prefix else text
        if prefix is None or prefix[1] == b"F":
            found.append(parts)
            used, parts = at, b""
    return found, used
