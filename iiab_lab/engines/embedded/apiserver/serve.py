"""The ASGI application → HTTPS on loopback, inside a loop that is already running.

A client may show a certificate; the TLS layer verifies it against the client CA, and the application finds it as `peer`.
"""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class _Protocol(HttpToolsProtocol):
    """Puts the client's certificate where every request of the connection finds it."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.app_state = self.app_state | {"peer": transport.get_extra_info("peercert")}


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
