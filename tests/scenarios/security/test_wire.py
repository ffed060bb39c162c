"""What is sent is sent to the byte; what comes back is counted, cut off or not."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from iiab_lab.scenarios.security import wire
from iiab_lab.scenarios.security.wire import CLOSED, SILENT, Reply

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Request-Id: one\r\n\r\nhi"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
BARE = b"HTTP/1.1 404 Not Found\r\n\r\n"


def test_a_request_is_what_it_says() -> None:
    made = wire.request("GET", "//a/../b", [("Host", "x"), ("x-a", "1"), ("x-a", "2")], b"body")
    assert made == b"GET //a/../b HTTP/1.1\r\nHost: x\r\nx-a: 1\r\nx-a: 2\r\n\r\nbody"


def test_an_honest_request_says_its_length() -> None:
    assert b"\r\ncontent-length: 4\r\nconnection: close\r\n" in wire.framed("POST", "/", [("host", "x")], b"body")
    assert b"content-length" not in wire.framed("GET", "/", [("host", "x")])


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"", []),
        (b"nothing of HTTP", []),
        (OK, [("200", "hi")]),
        (CHUNKED, [("200", "abcde")]),
        (BARE, [("404", "")]),
        (OK + OK, [("200", "hi"), ("200", "hi")]),
        (CHUNKED + BARE, [("200", "abcde"), ("404", "")]),
        (BARE + OK, [("404", ""), ("200", "hi")]),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + OK, [("200", "hi")]),
        (OK[:-1], [("200", "h")]),
        (OK[:30], [("200", "")]),
        (b"HTTP/1.1 503 Busy\r\nConnection: close\r\n\r\nto the end", [("503", "to the end")]),
    ],
)
def test_every_answer_is_found(data: bytes, found: list[tuple[str, str]]) -> None:
    assert [(reply.status, reply.body) for reply in wire.parse(data)] == found


def test_names_of_headers_are_in_lower_case() -> None:
    assert wire.parse(OK)[0].headers == {"content-length": "2", "x-request-id": "one"}


@pytest.mark.parametrize(
    ("data", "whole"), [(OK, True), (OK[:-1], False), (CHUNKED, True), (CHUNKED[:-2], False), (b"", False), (b"HTTP/1.1 100 C\r\n\r\n", False)]
)  # fmt: skip
def test_a_whole_answer_is_told_from_a_part(data: bytes, whole: bool) -> None:
    assert wire.whole(data) is whole


Serve = Callable[[socket.socket], None]


@pytest.fixture
def served() -> Iterator[Callable[[Serve], tuple[str, int]]]:
    """A server of one connection that does as it is told."""
    opened: list[socket.socket] = []
    threads: list[threading.Thread] = []

    def start(serve: Serve) -> tuple[str, int]:
        listener = socket.create_server(("127.0.0.1", 0))
        opened.append(listener)

        def run() -> None:
            link, _ = listener.accept()
            with link:
                serve(link)

        threads.append(threading.Thread(target=run, daemon=True))
        threads[-1].start()
        return listener.getsockname()

    yield start
    for listener in opened:
        listener.close()
    for thread in threads:
        thread.join(5)


def answering(*answers: bytes) -> Serve:
    def serve(link: socket.socket) -> None:
        link.recv(65536)
        for answer in answers:
            link.sendall(answer)
        link.recv(1)  # stays open until the client goes

    return serve


def test_a_whole_answer_ends_the_exchange_though_the_connection_stays(
    served: Callable[[Serve], tuple[str, int]],
) -> None:
    assert wire.exchange(served(answering(OK)), b"x", patience=30) == Reply(
        "200", {"content-length": "2", "x-request-id": "one"}, "hi", 1
    )


def test_a_second_answer_is_counted(served: Callable[[Serve], tuple[str, int]]) -> None:
    assert wire.exchange(served(answering(OK, OK)), b"x", linger=0.3).answers == 2


def test_a_close_is_told_from_a_silence(served: Callable[[Serve], tuple[str, int]]) -> None:
    assert wire.exchange(served(lambda link: None), b"x").status == CLOSED
    assert wire.exchange(served(answering()), b"x", patience=0.2).status == SILENT


def test_nobody_who_listens_is_a_close() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()
    assert wire.exchange(address, b"x").status == CLOSED


def test_a_slow_client_hears_what_it_is_told_before_its_end(served: Callable[[Serve], tuple[str, int]]) -> None:
    """408 and a close, in the midst of a request that never ends."""
    answered = threading.Event()

    def serve(link: socket.socket) -> None:
        link.recv(1)
        link.sendall(BARE.replace(b"404 Not Found", b"408 Request Timeout"))
        answered.set()

    def pieces() -> Iterator[bytes]:
        yield b"a"
        answered.wait(5)
        while True:
            yield b"b" * 4096

    assert wire.exchange(served(serve), pieces(), patience=5).status in ("408", CLOSED)
