"""A request's body → a file on the registry's volume, and the form's fields. Never more of it in memory than a piece.

`multipart/form-data` with a part `file`, or the bytes alone under any other type. Starlette's own form would go through the
shared temporary folder, which may be memory.
"""

from __future__ import annotations

from email.message import Message
from typing import Any

from fastapi import Request
from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from ..errors import Refused
from .store import Incoming

_PIECE = 1 << 20
_MOST_FIELD, _MOST_FIELDS = 1024, 16
_CURE = "send multipart/form-data with a part `file`, as curl -F file=@model.joblib does, or the bytes alone"


async def receive(request: Request, incoming: Incoming, most_bytes: int) -> dict[str, str]:
    """→ the fields; raises 400 for a body that ends early or cannot be read, 413 for more than `most_bytes`."""
    kind, options = _parsed(request.headers.get("content-type", ""))
    form = _Form(options.get("boundary", "")) if kind == "multipart/form-data" else None
    piece = bytearray()
    try:
        async for chunk in request.stream():
            piece += form.feed(chunk) if form else chunk
            if incoming.size + len(piece) > most_bytes:
                raise Refused(413, "The artifact is too large", f"at most {most_bytes} bytes")
            if len(piece) >= _PIECE:
                await run_in_threadpool(incoming.write, bytes(piece))
                piece.clear()
    except ClientDisconnect as error:
        raise Refused(400, "The upload ended early", "send it again, whole") from error
    except FormParserError as error:
        raise Refused(400, "The form cannot be read", _CURE) from error
    if form and not form.complete:
        raise Refused(400, "The form ends early, or holds no file", _CURE)
    await run_in_threadpool(incoming.write, bytes(piece))
    return form.fields if form else {}


def _parsed(content_type: str) -> tuple[str, dict[str, str]]:
    message = Message()
    message["content-type"] = content_type
    options = {name: str(value) for name, value in (message.get_params() or [])[1:]}
    return message.get_content_type(), options


class _Form:
    """The parser calls back; what it says of the file's part is gathered until `feed` returns."""

    def __init__(self, boundary: str) -> None:
        if not boundary:
            raise Refused(400, "The form cannot be read", _CURE)
        self.fields: dict[str, str] = {}
        self._ended = self._seen = False
        self._header, self._value, self._name, self._text = b"", b"", "", b""
        self._data: list[bytes] = []
        names = ("part_begin", "header_field", "header_value", "header_end", "part_data", "part_end", "end")
        callbacks: Any = {f"on_{name}": getattr(self, f"_{name}") for name in names}
        self._parser = MultipartParser(boundary, callbacks)

    @property
    def complete(self) -> bool:
        return self._ended and self._seen

    def feed(self, chunk: bytes) -> bytes:
        self._data = []
        self._parser.write(chunk)
        return b"".join(self._data)

    def _part_begin(self) -> None:
        self._name, self._text = "", b""

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_end(self) -> None:
        if self._header.lower() == b"content-disposition":
            self._name = _parsed(self._value.decode(errors="replace"))[1].get("name", "")
            if self._name == "file" and self._seen:
                raise Refused(400, "The form holds two files", _CURE)
            self._seen = self._seen or self._name == "file"
        self._header = self._value = b""

    def _part_data(self, data: bytes, start: int, end: int) -> None:
        if self._name == "file":
            self._data.append(data[start:end])
        elif len(self._text) + end - start > _MOST_FIELD:
            raise Refused(400, "A field of the form is too long", f"at most {_MOST_FIELD} bytes")
        else:
            self._text += data[start:end]

    def _part_end(self) -> None:
        if self._name != "file":
            self.fields[self._name] = self._text.decode(errors="replace").strip()
        if len(self.fields) > _MOST_FIELDS:
            raise Refused(400, "The form has too many fields", _CURE)

    def _end(self) -> None:
        self._ended = True
