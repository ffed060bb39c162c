"""The ASGI application → HTTPS on loopback, inside a loop that is already running.

A client may show a certificate; the TLS layer verifies it against the client CA, and the application finds it as `peer`.
"""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path
from typing import Any

import orjson
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from ....errors import ApiError
from . import status

MAX_HEAD = 2**20  # as Go's, and so Kubernetes', servers
_LINGER = 1.0


class _Protocol(HttpToolsProtocol):
    """Puts the client's certificate where every request of the connection finds it; refuses what is no HTTP, or has no end."""

    _pending = 0  # bytes that became neither a request nor a part of its body yet: headers, trailers, chunk extensions
    _refused = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.app_state = self.app_state | {"peer": transport.get_extra_info("peercert")}

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        self._pending += len(data)
        if self._pending > MAX_HEAD:
            said = f"the request line and headers are longer than {MAX_HEAD} bytes"
            self._refuse(ApiError(431, "RequestHeaderFieldsTooLarge", said, "send less"))
        else:
            super().data_received(data)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._pending = 0

    def on_headers_complete(self) -> None:
        if self.parser.get_http_version() == "0.9":
            raise ValueError("no version of HTTP")
        super().on_headers_complete()
        self._pending = 0

    def on_body(self, body: bytes) -> None:
        super().on_body(body)
        self._pending = 0

    def send_400_response(self, msg: str) -> None:
        self._refuse(ApiError(400, "BadRequest", msg))

    def _refuse(self, error: ApiError) -> None:
        """What is still sent is read and dropped for a moment: a connection that is cut at once may lose the answer."""
        self._refused = True
        content = orjson.dumps(status.body(error))
        head = (
            f"HTTP/1.1 {error.code} {error.reason}\r\ncontent-type: application/json\r\n"
            f"content-length: {len(content)}\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + content)
        self.loop.call_later(_LINGER, self.transport.close)


class Server:
    """Starts at once, stops without waiting for watches, installs no signal handlers."""

    def __init__(self, app: Any, port: int, certificate: Path, key: Path, client_ca: Path) -> None:
        config = uvicorn.Config(
            app,
            host="127.0.0.1",
            port=port,
            ssl_certfile=str(certificate),
            ssl_keyfile=str(key),
            ssl_ca_certs=str(client_ca),
            ssl_cert_reqs=ssl.CERT_OPTIONAL,
            loop="none",
            http=_Protocol,
            ws="websockets-sansio",
            log_level="warning",
            access_log=False,
            lifespan="off",
            timeout_graceful_shutdown=1,
            timeout_keep_alive=75,
        )
        self._server = uvicorn.Server(config)
        self._server.config.load()
        self._server.lifespan = config.lifespan_class(config)

    async def start(self) -> None:
        await self._server.startup()
        self._ticking = asyncio.create_task(self._server.main_loop())

    async def stop(self) -> None:
        self._server.should_exit = True
        await self._ticking
        await self._server.shutdown()
