"""The ASGI application → HTTPS on loopback, inside a loop that is already running."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import uvicorn


class Server:
    """Starts at once, stops without waiting for watches, installs no signal handlers."""

    def __init__(self, app: Any, port: int, certificate: Path, key: Path) -> None:
        config = uvicorn.Config(
            app,
            host="127.0.0.1",
            port=port,
            ssl_certfile=str(certificate),
            ssl_keyfile=str(key),
            loop="none",
            http="httptools",
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
