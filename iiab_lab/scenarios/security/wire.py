"""Exact bytes → a socket → what came back: requests that no HTTP library would send, over TCP or TLS, HTTP/1.1 or HTTP/2.

An HTTP client mends what it is given: it folds paths, counts lengths, drops what contradicts. Here nothing is mended.
"""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

Address = tuple[str, int]
Headers = Sequence[tuple[str, str]]

CLOSED = "closed"  # the connection ended, or was refused, before an answer
SILENT = "silent"  # no answer, and the connection still open, when the patience was at its end
_PATIENCE, _MOST = 5.0, 4 << 20


class Reply(NamedTuple):
    """`status` is an HTTP code, CLOSED or SILENT; names of headers are in lower case; `answers` counts all that came."""

    status: str
    headers: dict[str, str] = {}
    body: str = ""
    answers: int = 0


def request(method: str, target: str, headers: Headers, body: bytes = b"", version: str = "HTTP/1.1") -> bytes:
    """One request, every byte as given: no header is added, folded or ordered."""
    lines = [f"{method} {target} {version}", *(f"{name}: {value}" for name, value in headers), "", ""]
    return "\r\n".join(lines).encode("latin-1", "surrogateescape") + body


def framed(method: str, target: str, headers: Headers, body: bytes = b"") -> bytes:
    """The same with the length of its body, for one answer: what an honest client sends."""
    length = [("content-length", str(len(body)))] if body or method in ("POST", "PUT", "PATCH") else []
    return request(method, target, [*headers, *length, ("connection", "close")], body)


def exchange(
    address: Address,
    pieces: bytes | Iterable[bytes],
    tls: ssl.SSLContext | None = None,
    name: str = "",
    patience: float = _PATIENCE,
    linger: float = 0.0,
) -> Reply:
    """Sends, and reads until the answer is whole, the other side closes or `patience` seconds have passed; never raises.

    Pieces of an iterator are sent as they come: an iterator that sleeps makes a slow client. `linger` waits for an answer
    after the answer: to a request that was smuggled in.
    """
    deadline = time.monotonic() + patience
    try:
        with contextlib.closing(connect(address, tls, name, patience)) as link:
            open_ = _send(link, [pieces] if isinstance(pieces, bytes) else pieces, deadline)
            data, closed = _receive(link, deadline, linger) if open_ else (_left(link), True)
    except OSError:  # refused, reset, or an alert in the handshake: ssl.SSLError is one
        return Reply(CLOSED)
    answers = parse(data)
    return answers[0]._replace(answers=len(answers)) if answers else Reply(CLOSED if closed else SILENT)


def connect(
    address: Address, tls: ssl.SSLContext | None = None, name: str = "", patience: float = _PATIENCE
) -> socket.socket:
    """A connection; with `tls`, after the handshake in which `name` was asked for."""
    plain = socket.create_connection(address, patience)
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if tls is None:
        return plain
    try:
        return tls.wrap_socket(plain, server_hostname=name)
    except OSError:
        plain.close()
        raise


def _send(link: socket.socket, pieces: Iterable[bytes], deadline: float) -> bool:
    """False once the other side takes no more, or has answered before the end."""
    for piece in pieces:
        try:
            link.sendall(piece)
        except OSError:
            return False
        if time.monotonic() > deadline:
            break
    return True


def _receive(link: socket.socket, deadline: float, linger: float) -> tuple[bytes, bool]:
    """(what came, whether the other side closed). An Envoy closes a second after its last answer: nobody waits for that."""
    data = b""
    while (left := deadline - time.monotonic()) > 0 and len(data) < _MOST:
        if whole(data):
            deadline, linger = min(deadline, time.monotonic() + linger), 0.0
            left = max(0.001, deadline - time.monotonic())
        link.settimeout(left)
        try:
            piece = link.recv(65536)
        except TimeoutError:
            break
        except OSError:  # a reset ends it as a close does
            return data, True
        if not piece:
            return data, True
        data += piece
    return data, False


def _left(link: socket.socket) -> bytes:
    """What was answered before the connection went."""
    with contextlib.suppress(OSError):
        link.settimeout(0.2)
        return link.recv(65536)
    return b""


def whole(data: bytes) -> bool:
    """Whether a final answer is there to its last byte, as its own headers tell."""
    found = re.match(rb"HTTP/1\.[01] ([2-5]\d\d)[^\r\n]*\r\n(.*?)\r\n\r\n", data, re.DOTALL)
    if not found:
        return False
    head, rest = found[2].lower(), data[found.end() :]
    if b"transfer-encoding: chunked" in head:
        return rest.endswith(b"0\r\n\r\n")
    length = re.search(rb"content-length: *(\d+)", head)
    return len(rest) >= int(length[1]) if length else found[1] in (b"204", b"304")


def parse(data: bytes) -> list[Reply]:
    """Every final HTTP/1 answer in what was received; one cut short counts, an interim one (1xx) does not."""
    return [reply for reply in _answers(data) if not reply.status.startswith("1")]


def _answers(data: bytes) -> Iterator[Reply]:
    while found := re.match(rb"HTTP/1\.[01] (\d{3})[^\r\n]*\r\n", data):
        head, _, rest = data[found.end() :].partition(b"\r\n\r\n")
        if data[found.end() :].startswith(b"\r\n"):  # no header at all
            head, rest = b"", data[found.end() + 2 :]
        headers = {}
        for line in head.decode("latin-1").split("\r\n"):
            name, _, value = line.partition(":")
            headers[name.strip().lower()] = value.strip()
        body, data = _body(headers, rest)
        yield Reply(found[1].decode(), headers, body.decode(errors="replace"))


def _body(headers: dict[str, str], rest: bytes) -> tuple[bytes, bytes]:
    """(the body, what follows it)."""
    if "chunked" in headers.get("transfer-encoding", ""):
        return _unchunked(rest)
    if headers.get("content-length", "").isdecimal():
        length = int(headers["content-length"])
        return rest[:length], rest[length:]
    return (b"", rest) if rest.startswith(b"HTTP/1.") else (rest, b"")


def _unchunked(rest: bytes) -> tuple[bytes, bytes]:
    body = b""
    while found := re.match(rb"([0-9a-fA-F]+)[^\r\n]*\r\n", rest):
        size = int(found[1], 16)
        body, rest = body + rest[found.end() : found.end() + size], rest[found.end() + size + 2 :]
        if not size:
            break
    return body, rest
