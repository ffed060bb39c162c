"""Archives of a model's folder: packed, unpacked, and attacked."""

from __future__ import annotations

import gzip
import io
import stat
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iiab_lab.errors import UsageError
from iiab_lab.runtimes import archive

MOST = 1 << 20


def tar(file: Path, *entries: tarfile.TarInfo | tuple[str, bytes], mode: str = "w:gz") -> Path:
    with tarfile.open(file, mode) as made:  # type: ignore[call-overload]
        for entry in entries:
            if isinstance(entry, tarfile.TarInfo):
                made.addfile(entry, io.BytesIO(b"\0" * entry.size))
            else:
                info = tarfile.TarInfo(entry[0])
                info.size = len(entry[1])
                made.addfile(info, io.BytesIO(entry[1]))
    return file


def zipped(file: Path, *entries: tuple[str | zipfile.ZipInfo, bytes]) -> Path:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in entries:
            made.writestr(name, content)
    return file


def special(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname = kind, target
    return made


def zip_link(name: str) -> zipfile.ZipInfo:
    made = zipfile.ZipInfo(name)
    made.external_attr = (stat.S_IFLNK | 0o777) << 16
    return made


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


FOLDER = (("model/model.joblib", b"one"), ("model/notes/readme.txt", b"two"))


@pytest.mark.parametrize("make", [tar, zipped, lambda file, *entries: tar(file, *entries, mode="w")])
def test_a_folder_is_unpacked_and_its_single_top_goes(tmp_path: Path, make: Callable[..., Path]) -> None:
    packed, folder = make(tmp_path / "a", *FOLDER), tmp_path / "to"
    folder.mkdir()
    assert archive.is_archive(packed) and archive.unpack(packed, folder, MOST) == 2
    archive.flatten(folder)
    assert files(folder) == {"model.joblib": b"one", "notes/readme.txt": b"two"}


def test_packing_says_nothing_of_when_and_by_whom(tmp_path: Path) -> None:
    made = []
    for name in ("first", "second"):
        folder = tmp_path / name
        (folder / "b").mkdir(parents=True)
        for file in ("b/x", "a") if name == "first" else ("a", "b/x"):
            (folder / file).write_bytes(b"same")
        archive.pack(folder, tmp_path / f"{name}.tar")
        made.append((tmp_path / f"{name}.tar").read_bytes())
        (folder / "a").touch()
    assert made[0] == made[1]
    (tmp_path / "again").mkdir()
    assert archive.unpack(tmp_path / "first.tar", tmp_path / "again", MOST) == 2
    assert files(tmp_path / "again") == {"a": b"same", "b/x": b"same"}


ATTACKS: dict[str, Callable[[Path], Path]] = {
    "up": lambda file: tar(file, ("../out", b"x")),
    "up inside": lambda file: tar(file, ("a/../../out", b"x")),
    "absolute": lambda file: tar(file, ("/tmp/out", b"x")),
    "a symlink": lambda file: tar(file, special("link", tarfile.SYMTYPE, "/etc"), ("link/passwd", b"x")),
    "a hard link": lambda file: tar(file, special("link", tarfile.LNKTYPE, "/etc/passwd")),
    "a device": lambda file: tar(file, special("null", tarfile.CHRTYPE)),
    "a pipe": lambda file: tar(file, special("pipe", tarfile.FIFOTYPE)),
    "a file twice": lambda file: tar(file, ("model.joblib", b"x"), ("model.joblib", b"y")),
    "a file as a folder": lambda file: tar(file, ("a", b"x"), ("a/b", b"y")),
    "too many": lambda file: tar(file, *((f"f{i}", b"") for i in range(archive.MOST_FILES + 1))),
    "too large": lambda file: tar(file, ("big", b"\0" * (MOST + 1))),
    "too large together": lambda file: tar(file, ("a", b"\0" * (MOST // 2 + 1)), ("b", b"\0" * (MOST // 2 + 1))),
    "zip: up": lambda file: zipped(file, ("../out", b"x")),
    "zip: backslashes": lambda file: zipped(file, ("..\\out", b"x")),
    "zip: a symlink": lambda file: zipped(file, (zip_link("link"), b"/etc"), ("link/passwd", b"x")),
    "zip: too large": lambda file: zipped(file, ("big", b"\0" * (MOST + 1))),
    "zip: encrypted": lambda file: _encrypted(zipped(file, ("a", b"x"))),
    "zip: a size that lies": lambda file: _understated(zipped(file, ("big", b"\0" * (MOST + 1)))),
    "a header of a gigabyte": lambda file: _header_of(file, 1 << 30),
    "cut off": lambda file: _cut(tar(file, ("a", bytes(range(256)) * 100))),
}


def _encrypted(file: Path) -> Path:
    content = bytearray(file.read_bytes())
    content[6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    file.write_bytes(content)
    return file


def _understated(file: Path) -> Path:
    """The index says that a megabyte is one byte."""
    content = bytearray(file.read_bytes())
    struct.pack_into("<I", content, 22, 1)
    struct.pack_into("<I", content, content.index(b"PK\x01\x02") + 24, 1)
    file.write_bytes(content)
    return file


def _header_of(file: Path, size: int) -> Path:
    header = special("pax", tarfile.XHDTYPE)
    header.size = size
    with gzip.open(file, "wb") as made:
        made.write(header.tobuf(tarfile.USTAR_FORMAT))
        made.write(b"\0" * 4096)
    return file


def _cut(file: Path) -> Path:
    file.write_bytes(file.read_bytes()[:-40])
    return file


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_is_refused_and_nothing_lands_outside(tmp_path: Path, name: str) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    packed = ATTACKS[name](tmp_path / "packed")
    with pytest.raises(UsageError) as error:
        archive.unpack(packed, inside, MOST)
    assert error.value.cure
    assert {path.name for path in tmp_path.iterdir()} == {"inside", "packed"}
    assert not any(path.is_symlink() for path in inside.rglob("*"))
    assert sum(len(content) for content in files(inside).values()) <= MOST


def test_a_header_of_any_length_is_not_read(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="a header of 1073741824 bytes"):
        archive.unpack(_header_of(tmp_path / "a", 1 << 30), tmp_path, MOST)


def test_an_index_of_any_length_is_not_read(tmp_path: Path) -> None:
    content = bytearray(zipped(tmp_path / "a", ("a", b"x")).read_bytes())
    struct.pack_into("<I", content, len(content) - 10, 1 << 30)
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(UsageError):
        archive.require_small_index(tmp_path / "a")


@given(st.binary(max_size=2000))
def test_any_bytes_are_an_archive_or_not(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    file = tmp_path_factory.mktemp("any") / "a"
    for start in (b"", b"\x1f\x8b\x08\x00", b"PK\x03\x04"):
        file.write_bytes(start + content)
        assert archive.is_archive(file) in (True, False)
