"""A real HTTP server on loopback whose every answer a test decides: in a thread of its own, on asyncio."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import Awaitable, Callable, Iterator

import aiohttp.web

from iiab_lab.traffic.load.call import Call

Handler = Callable[["Server", aiohttp.web.Request], Awaitable[aiohttp.web.StreamResponse]]


class Server:
    """`heard` are the requests so far. `release` lets those go that `hold` keeps waiting."""

    def __init__(self, handler: Handler) -> None:
        self._handler, self._ready = handler, threading.Event()
        self.heard: list[dict[str, str]] = []
        self.answered: list[int] = []
        self.port = 0
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)
        self._thread.start()
        assert self._ready.wait(20)

    def call(self, **more: object) -> Call:
        body = json.dumps({"instances": [[1.0]]})
        return Call(f"http://127.0.0.1:{self.port}/v1/models/m:predict", body, **more)  # type: ignore[arg-type]

    def release(self) -> None:
        self._loop.call_soon_threadsafe(self.gate.set)

    async def _serve(self) -> None:
        self._loop, self.gate, self._stop = asyncio.get_running_loop(), asyncio.Event(), asyncio.Event()
        runner = aiohttp.web.ServerRunner(aiohttp.web.Server(self._answer), shutdown_timeout=0)
        await runner.setup()
        site = aiohttp.web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.port = runner.addresses[0][1]
        self._ready.set()
        await self._stop.wait()
        await runner.cleanup()

    async def _answer(self, request: aiohttp.web.BaseRequest) -> aiohttp.web.StreamResponse:
        self.heard.append(dict(request.headers) | {"body": await request.text(), "path": request.path})
        return await self._handler(self, request)  # type: ignore[arg-type]

    def close(self) -> None:
        """Nobody listens on its port any more, and nobody is held."""
        self.release()
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(20)


@contextlib.contextmanager
def serving(handler: Handler) -> Iterator[Server]:
    server = Server(handler)
    try:
        yield server
    finally:
        server.close()


async def fine(server: Server, request: object) -> aiohttp.web.StreamResponse:
    return aiohttp.web.json_response({"predictions": [0]})


async def hold(server: Server, request: object) -> aiohttp.web.StreamResponse:
    """No answer until the test releases them all."""
    await server.gate.wait()
    return aiohttp.web.json_response({"predictions": [0]})
