"""What is no HTTP, or two readings of HTTP at once, is refused or cut off; the server goes on serving."""

from __future__ import annotations

import contextlib
import random
import socket
import ssl
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from iiab_lab.kube import Kube

from .conftest import Running

HEAD = b"POST /api/v1/namespaces/default/configmaps HTTP/1.1\r\nHost: x\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
SECOND = (
    b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n"  # would be answered with 200 if it were taken for a request of its own
)
MUCH = 4 * 2**20

AMBIGUOUS = {
    "both lengths": HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SECOND,
    "both lengths, the other way": HEAD + b"Transfer-Encoding: chunked\r\nContent-Length: 40\r\n\r\n0\r\n\r\n" + SECOND,
    "two lengths": HEAD + b"Content-Length: 0\r\nContent-Length: 30\r\n\r\n" + SECOND,
    "a list of lengths": HEAD + b"Content-Length: 0, 30\r\n\r\n" + SECOND,
    "a signed length": HEAD + b"Content-Length: +0\r\n\r\n" + SECOND,
    "a negative length": HEAD + b"Content-Length: -1\r\n\r\n" + SECOND,
    "a length past all numbers": HEAD + b"Content-Length: " + b"9" * 40 + b"\r\n\r\n" + SECOND,
    "chunked before another coding": HEAD + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" + SECOND,
    "a coding nobody knows": HEAD + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + SECOND,
    "a space before the colon": HEAD + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" + SECOND,
    "a folded header": HEAD + b"X: 1\r\n Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SECOND,
    "a chunk of no size": CHUNKED + b"zz\r\n\r\n0\r\n\r\n" + SECOND,
    "a chunk longer than it says": CHUNKED + b"1\r\nabc\r\n0\r\n\r\n" + SECOND,
    "a bare line feed in a header": HEAD + b"X: a\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SECOND,
    "a bare carriage return": HEAD + b"X: a\rContent-Length: 0\r\n\r\n" + SECOND,
    "a zero byte in a header": HEAD + b"X: a\0b\r\n\r\n" + SECOND,
    "a header without a name": HEAD + b": a\r\n\r\n" + SECOND,
    "no version": b"GET /readyz\r\n\r\n",
    "a version that is none": b"GET /readyz HTTP/9.9\r\n\r\n",
    "HTTP/2 unasked": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a proxy's request": b"CONNECT example.com:443 HTTP/1.1\r\nHost: x\r\n\r\n",
    "a path that is none": b"GET readyz HTTP/1.1\r\nHost: x\r\n\r\n",
    "bytes in the path": b"GET /\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n",
    "a space in the path": b"GET /readyz x HTTP/1.1\r\nHost: x\r\n\r\n",
}
ENDLESS = {
    "a header": HEAD + b"X: " + b"x" * MUCH,
    "headers": HEAD + b"X: y\r\n" * (MUCH // 6),
    "a path": b"GET /" + b"a" * MUCH,
    "a chunk's extension": CHUNKED + b"1;" + b"x" * MUCH,
    "a trailer": CHUNKED + b"0\r\nX: " + b"x" * MUCH,
    "trailers": CHUNKED + b"0\r\n" + b"X: y\r\n" * (MUCH // 6),
}


def connected(server: Running, *, tls: bool = True) -> socket.socket:
    raw = socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2])), timeout=20)
    if not tls:
        return raw
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context.wrap_socket(raw)


def said(server: Running, content: bytes, *, tls: bool = True) -> bytes:
    """All that the server answers until it closes; it must close, which a timeout would deny."""
    answer = bytearray()
    with connected(server, tls=tls) as connection, contextlib.suppress(ConnectionError, ssl.SSLError):
        connection.sendall(content)
        while received := connection.recv(65536):
            answer += received
    return bytes(answer)


@pytest.fixture(autouse=True)
def goes_on(kube: Kube) -> Iterator[None]:
    yield
    assert kube.raw("GET", "/readyz").text == "ok"


@pytest.fixture(scope="module")
def answers(server: Running) -> dict[str, bytes]:
    """All at once, because the server takes its time to close."""
    with ThreadPoolExecutor(16) as crowd:
        sent = {what: crowd.submit(said, server, content) for what, content in (AMBIGUOUS | ENDLESS).items()}
        return {what: answer.result() for what, answer in sent.items()}


@pytest.mark.parametrize("what", AMBIGUOUS | ENDLESS)
def test_what_can_be_read_in_two_ways_or_never_ends_is_refused(answers: dict[str, bytes], what: str) -> None:
    assert b"HTTP/1.1 2" not in answers[what]
    assert answers[what] == b"" or answers[what].startswith(b"HTTP/1.1 4"), answers[what][:200]


@pytest.mark.parametrize("tls", [True, False])
def test_noise_is_refused_or_cut_off(server: Running, tls: bool) -> None:
    chance = random.Random(7)
    noises = [chance.randbytes(chance.choice([1, 10, 5000])) + b"\r\n\r\n" for _ in range(40)]
    for noise in [*noises, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n", SECOND if not tls else b"\0\r\n\r\n"]:
        with connected(server, tls=tls) as connection, contextlib.suppress(ConnectionError, ssl.SSLError):
            connection.sendall(noise)
            connection.shutdown(socket.SHUT_WR)
            assert b"HTTP/1.1 2" not in connection.recv(65536)


@pytest.mark.parametrize("cut", range(1, len(HEAD) + 40, 16))
def test_half_a_request_harms_nobody(server: Running, cut: int) -> None:
    whole = HEAD + b'Content-Length: 40\r\n\r\n{"metadata": {"name": "half"}, "data": {}}'
    with connected(server) as connection:
        connection.sendall(whole[:cut])
