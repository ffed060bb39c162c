"""A file → which framework's model it is, by its content. Nothing is loaded, and no more than the first MiB is read.

Of a pickle the operations are read, not done: the first class they name is the outermost object's. That tells an honest
mistake from a model; it is no defence against a hostile one, which the model server's confinement is.
"""

from __future__ import annotations

import bz2
import io
import lzma
import pickletools
import re
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from ....runtimes import archive

_HEAD = 1 << 20
# A class's first package → the framework whose server loads such a pickle.
_PACKAGES = {
    "sklearn": "sklearn",
    "xgboost": "xgboost",
    "torch": "pytorch",
    "keras": "tensorflow",
    "tensorflow": "tensorflow",
}
_OF_STRINGS = ("SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "UNICODE")
_BEFORE = (*_OF_STRINGS, "PROTO", "FRAME", "MEMOIZE", "BINPUT", "LONG_BINPUT")


class Found(NamedTuple):
    """`framework` is "" for a pickle of none; `file` is the name by which its server finds it."""

    framework: str
    file: str
    what: str


def of(file: Path) -> Found | None:
    """None for what is not recognised."""
    with file.open("rb") as opened:
        head = opened.read(_HEAD)
    return _pickled(head) or _packed(file) or _by_beginning(head)


def ends_early(file: Path) -> bool:
    """Whether a pickle lacks its last operation. A compressed one is the server's to find out."""
    with file.open("rb") as opened:
        first = opened.read(1)
        opened.seek(-1, 2)
        return first == b"\x80" and opened.read(1) != b"."


def _pickled(head: bytes) -> Found | None:
    for decompress in _DECOMPRESSORS:
        plain = _tried(decompress, head)
        if re.match(rb"\x80[\x02-\x05]", plain):
            name = _root(plain)
            return Found(_PACKAGES.get(name.partition(".")[0], ""), "model.joblib", name) if name else None
    return None


def _tried(decompress: Callable[[bytes], bytes], head: bytes) -> bytes:
    try:
        return decompress(head)
    except (ValueError, OSError, EOFError, zlib.error, lzma.LZMAError):
        return b""


# What joblib writes: plain, zlib, gzip, bzip2, xz and lzma. At most a MiB comes out, whatever goes in.
_DECOMPRESSORS: tuple[Callable[[bytes], bytes], ...] = (
    lambda head: head,
    lambda head: zlib.decompressobj(zlib.MAX_WBITS | 32).decompress(head, _HEAD),
    lambda head: bz2.BZ2Decompressor().decompress(head, _HEAD),
    lambda head: lzma.LZMADecompressor(memlimit=64 << 20).decompress(head, _HEAD),
)


def _root(head: bytes) -> str:
    """The class of the outermost object; "" where that is none: a dict, a list, an array's bytes."""
    strings: list[Any] = []
    try:
        for operation, argument, _ in pickletools.genops(io.BytesIO(head)):
            if operation.name == "GLOBAL":
                return ".".join(str(argument).split(" "))
            if operation.name == "STACK_GLOBAL":
                return ".".join(map(str, strings[-2:]))
            if operation.name not in _BEFORE:
                return ""
            strings += [argument] if operation.name in _OF_STRINGS else []
    except ValueError:  # the head ends within an operation, or it is no pickle
        pass
    return ""


def _packed(file: Path) -> Found | None:
    """A zip archive that is itself a model."""
    if not zipfile.is_zipfile(file):
        return None
    archive.require_small_index(file)
    with zipfile.ZipFile(file) as opened:
        names = opened.namelist()
    if any(name.rpartition("/")[2] == "data.pkl" for name in names):
        return Found("pytorch", "model.pt", "a PyTorch archive")
    if {"config.json", "model.weights.h5"} <= set(names):
        return Found("tensorflow", "model.keras", "a Keras archive")
    return None


def _by_beginning(head: bytes) -> Found | None:
    if head.startswith(b"\x89HDF\r\n"):
        return Found("tensorflow", "model.h5", "an HDF5 file")
    if head.startswith(b"binf"):
        return Found("xgboost", "model.bst", "an XGBoost model")
    if head.startswith(b"{") and b"learner" in head[:4096]:
        return Found(
            "xgboost",
            "model.ubj" if head.startswith((b"{L", b"{l", b"{I", b"{i")) else "model.json",
            "an XGBoost model",
        )
    # A protocol buffer whose first field is the version of ONNX, and whose second is text.
    if re.match(rb"\x08[\x01-\x20][\x12\x1a\x22\x32\x3a\x42]", head):
        return Found("onnx", "model.onnx", "an ONNX model")
    return None


def of_folder(folder: Path) -> Found | None:
    """None unless it holds exactly one model; what else lies there comes along."""
    if (folder / "saved_model.pb").exists():
        return Found("tensorflow", "model.tar", "a SavedModel")
    named = [file for file in folder.iterdir() if file.is_file() and file.suffix not in (".txt", ".md", ".yaml")]
    found = [one for file in named if file.stat().st_size and (one := of(file)) and _is_named(file, one)]
    return found[0]._replace(file="model.tar") if len(found) == 1 else None


def _is_named(file: Path, found: Found) -> bool:
    """A server finds its model by the suffix."""
    suffixes = {".joblib", ".pkl", ".pickle"} if found.file == "model.joblib" else {Path(found.file).suffix}
    return file.suffix in suffixes
