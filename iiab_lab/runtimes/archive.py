"""A tar or zip archive of a model's folder ⇄ the folder. What somebody else packed is unpacked as if it were an attack.

Only files and folders, all of them below the destination, no more and no larger than allowed, whatever the archive's own
index says: bytes are counted as they come out.
"""

from __future__ import annotations

import errno
import gzip
import shutil
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import IO, NamedTuple

from ..errors import UsageError

MOST_FILES = 1000
_CURE = "pack the model's folder again: tar -czf model.tar.gz -C FOLDER ."
_CHUNK = 1 << 20
_MOST_AT_ONCE = 16 << 20  # of an index or a header, which are read whole
_BROKEN = (
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    OSError,
    ValueError,
    NotImplementedError,
    RuntimeError,
)


class Member(NamedTuple):
    """`stream` is None for a folder."""

    name: str
    stream: IO[bytes] | None


def is_archive(file: Path) -> bool:
    return zipfile.is_zipfile(file) or is_tar(file)


def is_tar(file: Path) -> bool:
    """Plain or gzip."""
    try:
        with _decompressed(file) as stream:
            return stream.read(512)[257:262] == b"ustar"
    except _BROKEN:
        return False


def unpack(archive: Path, folder: Path, most_bytes: int, most_files: int = MOST_FILES) -> int:
    """→ how many files; raises UsageError, after which the folder holds what came before."""
    count, left = 0, most_bytes
    try:
        for member in _members(archive):
            place = _below(folder, member.name)
            if member.stream is None:
                place.mkdir(parents=True, exist_ok=True)
                continue
            count += 1
            if count > most_files:
                raise UsageError(f"The archive holds more than {most_files} files.", _CURE)
            left = _write(member.stream, place, left)
    except _BROKEN as error:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise  # the disk's fault, not the archive's
        raise UsageError(f"The archive cannot be read: {error}.", _CURE) from error
    return count


def pack(folder: Path, archive: Path) -> None:
    """The same folder gives the same bytes, whenever and by whomever it was made."""
    with tarfile.open(archive, "w", format=tarfile.PAX_FORMAT) as tar:
        for file in sorted(path for path in folder.rglob("*") if path.is_file()):
            entry = tarfile.TarInfo(file.relative_to(folder).as_posix())
            entry.size, entry.mode = file.stat().st_size, 0o644
            with file.open("rb") as content:
                tar.addfile(entry, content)


class _Bounded:
    """A stream for tarfile, which would read a header of any size whole."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self.seek, self.tell = stream.seek, stream.tell

    def read(self, size: int) -> bytes:
        if size > _MOST_AT_ONCE:
            raise tarfile.ReadError(f"a header of {size} bytes")
        return self._stream.read(size)


def _decompressed(file: Path) -> IO[bytes]:
    with file.open("rb") as opened:
        zipped = opened.read(2) == b"\x1f\x8b"
    return gzip.open(file) if zipped else file.open("rb")  # type: ignore[return-value]


def _members(archive: Path) -> Iterator[Member]:
    if zipfile.is_zipfile(archive):
        require_small_index(archive)
        with zipfile.ZipFile(archive) as opened:
            yield from _zipped(opened)
    else:
        with _decompressed(archive) as stream, tarfile.open(fileobj=_Bounded(stream), mode="r:") as tar:  # type: ignore[call-overload]
            yield from _tarred(tar)


def require_small_index(archive: Path) -> None:
    """zipfile reads the whole index at once; how long it is stands in the archive's last record."""
    with archive.open("rb") as file:
        file.seek(max(0, archive.stat().st_size - 0xFFFF - 22))
        _, _, record = file.read().rpartition(b"PK\x05\x06")
    if struct.unpack_from("<I", record, 8)[0] > _MOST_AT_ONCE:
        raise UsageError("The archive's index is too large.", _CURE)


def _zipped(opened: zipfile.ZipFile) -> Iterator[Member]:
    for info in opened.infolist():
        kind = stat.S_IFMT(info.external_attr >> 16)
        if info.is_dir():
            yield Member(info.filename, None)
        elif kind in (0, stat.S_IFREG) and info.compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            with opened.open(info) as stream:
                yield Member(info.filename, stream)
        else:
            raise UsageError(f"The archive holds {info.filename!r}, which is no plain file.", _CURE)


def _tarred(opened: tarfile.TarFile) -> Iterator[Member]:
    for info in _entries(opened):
        if info.isdir():
            yield Member(info.name, None)
        elif info.isreg() and (stream := opened.extractfile(info)):
            yield Member(info.name, stream)
        else:
            raise UsageError(f"The archive holds {info.name!r}, which is no plain file.", _CURE)


def _entries(opened: tarfile.TarFile) -> Iterable[tarfile.TarInfo]:
    """One after the other: a list of them all would be as long as the archive pleases."""
    while (info := opened.next()) is not None:
        opened.members = []  # type: ignore[attr-defined]
        yield info


def _below(folder: Path, name: str) -> Path:
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or "\0" in name or len(name) > 1000:
        raise UsageError(f"The archive holds {name[:100]!r}, which leads out of its folder.", _CURE)
    return folder.joinpath(*path.parts)


def _write(stream: IO[bytes], place: Path, left: int) -> int:
    """→ how many bytes more are allowed; raises UsageError. A file that is there already is not written over."""
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.open("xb") as target:
        while chunk := stream.read(_CHUNK):
            left -= len(chunk)
            if left < 0:
                raise UsageError("The archive is too large when unpacked.", "leave out of it what is not of the model")
            target.write(chunk)
    return left


def flatten(folder: Path) -> None:
    """A single folder at the top goes: what is in it takes its place."""
    inside = list(folder.iterdir())
    if len(inside) == 1 and inside[0].is_dir():
        lifted = folder.with_name(f"{folder.name}.lifted")
        inside[0].rename(lifted)
        shutil.rmtree(folder)
        lifted.rename(folder)
