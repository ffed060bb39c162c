"""A connection between two hops carries many people's requests: what one of them does ends nobody else's. A real sidecar."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import h2.connection
import h2.events
import pytest
from h2.config import H2Configuration
from h2.errors import ErrorCodes

from .guarded import NAME, POD_YAML, PORT, Guarded, Objects, guarded

CALLER = "cluster.local/ns/istio-system/sa/istio-ingressgateway"
HEADERS = [(":method", "GET"), (":scheme", "https"), (":authority", "web.shop"), (":path", "/")]


class Hop:
    """An HTTP/2 connection of a proxy's, and what comes on each of its streams."""

    def __init__(self, port: int, context: ssl.SSLContext) -> None:
        plain = socket.create_connection(("127.0.0.1", port), 10)
        self._link = context.wrap_socket(plain, server_hostname=NAME)
        assert self._link.selected_alpn_protocol() == "h2"
        unchecked = H2Configuration(header_encoding="utf-8", validate_outbound_headers=False)
        self.talk = h2.connection.H2Connection(unchecked)
        self.talk.initiate_connection()

    def send(self) -> None:
        self._link.sendall(self.talk.data_to_send())

    def ask(self, stream: int, **changed: str) -> None:
        self.talk.send_headers(stream, [(k, changed.get(k.strip(":"), v)) for k, v in HEADERS], end_stream=True)
        self.send()

    def answer(self, stream: int) -> str:
        """Its status, or "reset"; raises ConnectionError where the other side ends the connection."""
        for event in self._events():
            if isinstance(event, h2.events.ConnectionTerminated):
                raise ConnectionResetError(str(event.error_code))
            if getattr(event, "stream_id", 0) == stream:
                if isinstance(event, h2.events.ResponseReceived):
                    return dict(event.headers)[":status"]
                if isinstance(event, h2.events.StreamReset):
                    return "reset"
        raise ConnectionResetError("closed")

    def _events(self) -> Iterator[h2.events.Event]:
        while received := self._link.recv(65536):
            yield from self.talk.receive_data(received)
            self.send()

    def close(self) -> None:
        self._link.close()


def reset_by_what_it_says(hop: Hop) -> None:
    hop.ask(1, authority="x@web.shop")
    assert hop.answer(1) == "reset"


def taken_back(hop: Hop) -> None:
    for stream in range(1, 1400, 2):
        hop.ask(stream)
        hop.talk.reset_stream(stream, ErrorCodes.CANCEL)
        hop.send()


@pytest.mark.parametrize("does", [reset_by_what_it_says, taken_back])
def test_the_others_on_a_connection_go_on(does: Callable[[Hop], None], tmp_path: Path) -> None:
    async def play(run: Path) -> None:
        async with guarded(tmp_path, run) as lab:
            await lab.apply(Objects(POD_YAML))
            await _until_served(lab)
            await asyncio.to_thread(_beside, lab, does)

    with tempfile.TemporaryDirectory(prefix="iiab-t-", dir="/tmp") as run:
        asyncio.run(play(Path(run)))


async def _until_served(lab: Guarded) -> None:
    async with asyncio.timeout(20):
        while True:
            with contextlib.suppress(OSError):
                await lab.ask(CALLER)
                return
            await asyncio.sleep(0.01)


def _beside(lab: Guarded, does: Callable[[Hop], None]) -> None:
    context = lab.context(CALLER)
    context.set_alpn_protocols(["h2"])
    with contextlib.closing(Hop(lab.ports[PORT], context)) as hop:
        does(hop)
        hop.ask(2001)
        assert hop.answer(2001) == "200"
