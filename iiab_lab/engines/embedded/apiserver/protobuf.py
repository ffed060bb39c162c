"""Kubernetes' protobuf envelope → the JSON form of the object in it: what kubectl's typed commands (`create token`, `auth
can-i`) send. Answers are always JSON, which every such client accepts too.

Source: k8s.io/apimachinery's runtime.Unknown behind the magic `k8s\\0`; the field numbers stand in protobuf.yaml.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import yaml

MAGIC = b"k8s\x00"
CONTENT_TYPE = "application/vnd.kubernetes.protobuf"
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_NUMBERS = ("int32", "int64")
# Go writes the zero values of fields that are no pointers, which JSON leaves out; of these fields a zero was meant.
_ZEROS = (None, "", 0)
_POINTERS = frozenset(
    [
        "automountServiceAccountToken",
        "blockOwnerDeletion",
        "completions",
        "controller",
        "expirationSeconds",
        "gracePeriodSeconds",
        "immutable",
        "orphanDependents",
        "parallelism",
        "replicas",
        "runAsUser",
    ]
)

Message = dict[str, Any]


class Malformed(ValueError):
    """The bytes are no such message."""


class Unknown(ValueError):
    """A kind whose fields are not in the table."""


def decode(content: bytes) -> Message:
    """The whole body → {"apiVersion", "kind", …}. Raises Malformed or Unknown."""
    if not content.startswith(MAGIC):
        raise Malformed("the body does not begin with the magic of Kubernetes' protobuf form")
    envelope = dict(_fields(content[len(MAGIC) :]))
    type_meta = {number: _text(value) for number, value in _fields(_block(envelope.get(1, b"")))}
    version, kind = type_meta.get(1, ""), type_meta.get(2, "")
    # A version whose fields differ has a table of its own.
    table = next((name for name in (f"{version} {kind}", kind) if name in _tables()), None)
    if table is None:
        raise Unknown(f"the kind {kind or '(none)'} is not read in protobuf form")
    return {"apiVersion": version, "kind": kind, **_message(table, _block(envelope.get(2, b"")))}


@cache
def _tables() -> dict[str, dict[int, tuple[str, str]]]:
    """Message → number → (name, type)."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    read = yaml.load(Path(__file__).with_suffix(".yaml").read_text(), Loader=loader)  # noqa: S506 - a safe loader
    return {
        message: {number: tuple(field.split(" ", 1)) for number, field in fields.items()}
        for message, fields in read.items()
    }


def _message(name: str, content: bytes) -> Message:
    known, made = _tables()[name], {}  # type: tuple[dict[int, tuple[str, str]], Message]
    for number, value in _fields(content):
        if number not in known:
            raise Malformed(f"{name} has no field number {number}")
        field, kind = known[number]
        how, _, inner = kind.rpartition(" ")
        if how == "list":
            made.setdefault(field, []).append(_value(inner, value))
        elif how == "map":
            entry = dict(_fields(_block(value)))
            made.setdefault(field, {})[_text(entry.get(1, b""))] = _value(inner, entry.get(2, b""))
        elif how == "inline":
            made |= _value(inner, value)
        else:
            made[field] = _value(inner, value)
    return {field: value for field, value in made.items() if field in _POINTERS or value not in _ZEROS}


def _value(kind: str, value: int | bytes) -> Any:
    if kind in _NUMBERS:
        return _signed(_number(value))
    if kind == "bool":
        return bool(_number(value))
    if kind == "double":
        return struct.unpack("<d", struct.pack("<Q", _number(value)))[0]
    block = _block(value)
    special = _SPECIAL.get(kind)
    return special(block) if special else _message(kind, block)


def _time(content: bytes) -> str | None:
    parts = dict(_fields(content))
    seconds = _signed(_number(parts.get(1, 0)))
    if not parts:
        return None
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError) as error:
        raise Malformed(f"{seconds} is no time") from error


def _int_or_string(content: bytes) -> int | str:
    parts = dict(_fields(content))
    return _text(parts.get(3, b"")) if parts.get(1) else _signed(_number(parts.get(2, 0)))


_SPECIAL: dict[str, Callable[[bytes], Any]] = {
    "string": lambda content: _text(content),
    "bytes": lambda content: base64.b64encode(content).decode(),
    "Time": _time,
    "MicroTime": _time,
    "Quantity": lambda content: _text(dict(_fields(content)).get(1, b"")),
    "IntOrString": _int_or_string,
    "ExtraValue": lambda content: [_text(value) for _, value in _fields(content)],
    # Both hold JSON as bytes; what a client sends of them is never used.
    "FieldsV1": lambda content: {},
    "RawExtension": lambda content: {},
}


def _fields(content: bytes) -> Iterator[tuple[int, int | bytes]]:
    """The wire format → (field number, number or bytes), in order."""
    at = 0
    while at < len(content):
        tag, at = _varint(content, at)
        number, wire = tag >> 3, tag & 7
        if wire == _VARINT:
            value, at = _varint(content, at)
            yield number, value
            continue
        if wire == _BYTES:
            size, at = _varint(content, at)
        elif wire in (_FIXED64, _FIXED32):
            size = 8 if wire == _FIXED64 else 4
        else:
            raise Malformed(f"wire type {wire} is not used")
        chunk = content[at : at + size]
        if len(chunk) < size:
            raise Malformed("a field ends beyond the message")
        at += size
        yield number, chunk if wire == _BYTES else int.from_bytes(chunk, "little")


def _varint(content: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(content):
            break
        byte = content[at]
        value, at = value | (byte & 0x7F) << shift, at + 1
        if byte < 0x80:
            return value & (2**64 - 1), at
    raise Malformed("a number does not end")


def _signed(value: int) -> int:
    return value - 2**64 if value >= 2**63 else value


def _number(value: int | bytes) -> int:
    if not isinstance(value, int):
        raise Malformed("bytes stand where a number is due")
    return value


def _block(value: int | bytes) -> bytes:
    if not isinstance(value, bytes):
        raise Malformed("a number stands where bytes are due")
    return value


def _text(value: int | bytes) -> str:
    try:
        return _block(value).decode()
    except UnicodeDecodeError as error:
        raise Malformed("a string is not UTF-8") from error
