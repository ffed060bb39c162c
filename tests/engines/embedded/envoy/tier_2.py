"""A real Envoy configured as tier 2, in front of Pods that are servers in this process; everything on one loop of its own."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
from aiohttp import web

from iiab_lab.engines.embedded.envoy.ingress import Ingress
from iiab_lab.engines.embedded.objects.meta import Object
from iiab_lab.engines.embedded.processes.proxy import FileProxy
from iiab_lab.engines.embedded.reconcile.ports import Applied

from ..processes.test_proxy import POD, answers, free_port, running
from . import mesh

T = TypeVar("T")
HOST = "web.example.org"
_AT_ONCE = 32


@dataclass
class Backend:
    """One Pod: what it was sent, and how it behaves."""

    name: str
    port: int
    status: int = 200
    held: bool = False  # answers nobody until it is not
    seen: list[dict[str, Any]] = field(default_factory=list)

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.headers.get("Upgrade") == "websocket":
            return await _echo(request)
        told = {"pod": self.name, "path": request.path_qs, "host": request.host, "headers": dict(request.headers)}
        self.seen.append(told | {"all": [(name.lower(), value) for name, value in request.headers.items()]})
        while self.held:
            await asyncio.sleep(0.01)
        return web.json_response(told, status=self.status)

    def values(self, header: str) -> list[str]:
        """Of the last request."""
        sent = [value for name, value in self.seen[-1]["all"] if name == header]
        return [value.strip() for values in sent for value in values.split(",")]


async def _echo(request: web.BaseRequest) -> web.StreamResponse:
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    async for message in socket:
        await socket.send_str(message.data)
    return socket


class Tier2:
    def __init__(self, loop: asyncio.AbstractEventLoop, proxy: FileProxy, session: aiohttp.ClientSession) -> None:
        self._loop, self._proxy, self._session = loop, proxy, session
        self.port, self._ready = free_port(), free_port()
        self.backends: dict[str, Backend] = {}
        self._cleanup = contextlib.AsyncExitStack()

    def backend(self, name: str, **behaviour: Any) -> Backend:
        """Of this name, as good as new."""
        if name not in self.backends:
            self.backends[name] = self.wait(self._start(name))
        made = self.backends[name]
        made.status, made.held, made.seen = behaviour.get("status", 200), behaviour.get("held", False), []
        return made

    async def _start(self, name: str) -> Backend:
        made = Backend(name, free_port())
        server = web.Server(made.answer)
        runner = web.ServerRunner(server, shutdown_timeout=0.1)
        await runner.setup()
        self._cleanup.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", made.port).start()
        return made

    def service(self, name: str, *pods: str, **of: Any) -> list[Object]:
        """A Service whose Pods answer; what is in `self.backends` already behaves as it was told to."""
        ports = {pod: self.backends[pod].port if pod in self.backends else self.backend(pod).port for pod in pods}
        return mesh.service(name, ports, **of)

    def apply(self, *objects: Object) -> Ingress:
        made = mesh.translate(*objects, ports={8080: self.port, 15021: self._ready})
        assert self.wait(self._proxy.apply(POD, made.snapshot)) == Applied()
        return made

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    def get(
        self, path: str = "/", method: str = "GET", host: str = HOST, port: int = 0, **headers: str
    ) -> aiohttp.ClientResponse:
        """The response, with its body read; `x_user="a"` is the header x-user."""
        named = {name.replace("_", "-"): text for name, text in headers.items()}
        return self.wait(self._send(path, method, host, named, port))

    async def _send(
        self, path: str, method: str, host: str, headers: dict[str, str], port: int = 0
    ) -> aiohttp.ClientResponse:
        url, sent = f"http://127.0.0.1:{port or self.port}{path}", {"Host": host, **headers}
        async with self._session.request(method, url, headers=sent, allow_redirects=False) as response:
            await response.read()
            return response

    def pod(self, path: str = "/", method: str = "GET", **headers: str) -> Any:
        """Who answered; a status that is no 200 stands for itself."""
        response = self.get(path, method, **headers)
        return self.body(response)["pod"] if response.status == 200 else response.status

    def start(self, count: int) -> list[Future[aiohttp.ClientResponse]]:
        """So many requests at once, for which nobody waits."""
        sent = (self._send("/", "GET", HOST, {}) for _ in range(count))
        return [asyncio.run_coroutine_threadsafe(one, self._loop) for one in sent]

    def body(self, response: aiohttp.ClientResponse) -> Any:
        return self.wait(response.json())

    def many(self, count: int, headers: Callable[[int], dict[str, str]] = lambda _: {}, path: str = "/") -> list[Any]:
        """Who answered each of so many requests, of which some are under way at once; or the status."""
        return self.wait(self._many(count, headers, path))

    async def _many(self, count: int, headers: Callable[[int], dict[str, str]], path: str) -> list[Any]:
        numbers, found = itertools.count(), [None] * count

        async def client() -> None:
            while (number := next(numbers)) < count:
                response = await self._send(path, "GET", HOST, headers(number))
                found[number] = (await response.json())["pod"] if response.status == 200 else response.status

        await asyncio.gather(*(client() for _ in range(_AT_ONCE)))
        return found

    def counts(self, count: int, *names: str) -> list[int]:
        found = Counter(self.many(count))
        assert set(found) <= set(names), found
        return [found[name] for name in names]

    async def close(self) -> None:
        await self._cleanup.aclose()


L = TypeVar("L", bound=Tier2)


@contextlib.contextmanager
def running_lab(home: Path, kind: type[L]) -> Iterator[L]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        with tempfile.TemporaryDirectory(prefix="iiab-t-", dir="/tmp") as run:
            opened = _opened(home, Path(run), loop, kind)
            made = asyncio.run_coroutine_threadsafe(opened.__aenter__(), loop).result(60)
            try:
                yield made
            finally:
                asyncio.run_coroutine_threadsafe(opened.__aexit__(None, None, None), loop).result(60)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@contextlib.asynccontextmanager
async def _opened(home: Path, run: Path, loop: asyncio.AbstractEventLoop, kind: type[Tier2]) -> Any:
    proxy = FileProxy(home / "proxies", run)
    async with running(home, proxy), aiohttp.ClientSession(trust_env=False) as session:
        await answers(run)
        made = kind(loop, proxy, session)
        try:
            yield made
        finally:
            await made.close()
