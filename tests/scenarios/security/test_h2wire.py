"""HTTP/2 as given, and what the other side makes of it: an answer, a reset, a close."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import RequestReceived

from iiab_lab.scenarios.security import h2wire, mesh, wire

AUTHORITY = mesh.stranger()
HEADERS = [(":method", "GET"), (":path", "/one"), (":path", "/two"), ("X-Capital", "yes")]
Answer = Callable[[H2Connection, RequestReceived], None]


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Callable[[Answer], tuple[str, int]]]:
    own = tmp_path / "server.pem"
    own.write_bytes(mesh._issued(AUTHORITY, "spiffe://cluster.local/ns/x/sa/server"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own)
    context.set_alpn_protocols(["h2"])
    listener = socket.create_server(("127.0.0.1", 0))

    def start(answer: Answer) -> tuple[str, int]:
        threading.Thread(target=run, args=(answer,), daemon=True).start()
        return listener.getsockname()

    def run(answer: Answer) -> None:
        with context.wrap_socket(listener.accept()[0], server_side=True) as link:
            talk = H2Connection(H2Configuration(client_side=False, validate_inbound_headers=False))
            talk.initiate_connection()
            while data := link.recv(65536):
                for event in talk.receive_data(data):
                    if isinstance(event, RequestReceived):
                        answer(talk, event)
                link.sendall(talk.data_to_send())

    yield start
    listener.close()


def asked(address: tuple[str, int]) -> wire.Reply:
    tls = mesh.context(AUTHORITY, "", AUTHORITY.root)
    tls.set_alpn_protocols(["h2"])
    return h2wire.exchange(address, HEADERS, b"", tls, "server")


def test_what_was_given_is_what_arrives_and_the_answer_is_read(served: Callable[[Answer], tuple[str, int]]) -> None:
    arrived: list[tuple[str, str]] = []

    def answer(talk: H2Connection, event: RequestReceived) -> None:
        arrived.extend((name.decode(), value.decode()) for name, value in event.headers)
        talk.send_headers(1, [(":status", "404"), ("x-request-id", "one")])
        talk.send_data(1, b"none", end_stream=True)

    reply = asked(served(answer))
    assert arrived == HEADERS
    assert reply == wire.Reply("404", {":status": "404", "x-request-id": "one"}, "none", 1)


def test_a_reset_stream_is_told_with_its_reason(served: Callable[[Answer], tuple[str, int]]) -> None:
    reply = asked(served(lambda talk, event: talk.reset_stream(1, ErrorCodes.PROTOCOL_ERROR)))
    assert (reply.status, reply.body) == (h2wire.RESET, "PROTOCOL_ERROR")


def test_an_ended_connection_is_told_with_its_reason(served: Callable[[Answer], tuple[str, int]]) -> None:
    reply = asked(served(lambda talk, event: talk.close_connection(ErrorCodes.ENHANCE_YOUR_CALM)))
    assert (reply.status, reply.body) == (h2wire.RESET, "ENHANCE_YOUR_CALM")
