"""A Call → its answer over a kept-alive connection: aiohttp, told where names lead, whom to trust, and to follow nothing."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from random import Random
from typing import Any, NamedTuple

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from .call import Call

TIMEOUT = "timeout"
_SHORT = 256  # bytes of an answer that can be kept


class Answer(NamedTuple):
    """`status` is 0 where none came, and then `error` says why. `asked` counts the call's bodies; `said` is what was kept."""

    status: int
    error: str = ""
    revision: str = ""
    asked: int = 0
    said: str = ""


class Asking:
    """`async with Asking(call, connections) as ask: await ask(patience)`, over so many connections at most.

    Nothing is sent twice: a redirect is an answer, and a POST is never tried again.
    """

    def __init__(self, call: Call, connections: int) -> None:
        self._call, self._bodies, self._chance = call, call.bodies or (call.body,), Random(0)  # noqa: S311 - not secret
        self._trust = _Trust(call.ca) if call.url.startswith("https:") else None
        context = self._trust.context if self._trust else True
        connector = aiohttp.TCPConnector(limit=connections, ssl=context, resolver=_Resolver(call.resolve))
        self._session = aiohttp.ClientSession(connector=connector, headers=dict(call.headers), auto_decompress=False)

    async def __aenter__(self) -> Asking:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def __call__(self, patience: float) -> Answer:
        call, asked = self._call, self._chance.randrange(len(self._bodies))
        if self._trust:
            self._trust.follow()
        try:
            async with (
                asyncio.timeout(patience),
                self._session.request(call.method, call.url, data=self._bodies[asked], allow_redirects=False) as answer,
            ):
                content = await answer.read()
                said = content.decode(errors="replace") if call.keep and len(content) < _SHORT else ""
                return Answer(answer.status, "", answer.headers.get(call.revision_header, ""), asked, said)
        except TimeoutError:
            return Answer(0, TIMEOUT, asked=asked)
        except (aiohttp.ClientError, OSError) as error:
            return Answer(0, _named(error), asked=asked)


class _Trust:
    """The CAs of a file, and those that come into it later: while a CA is rotated, connections go on to be made."""

    def __init__(self, file: str) -> None:
        self._file, self._read = file, _written(file)
        self.context = ssl.create_default_context(cafile=file or None)

    def follow(self) -> None:
        if (written := _written(self._file)) != self._read:
            self._read = written
            self.context.load_verify_locations(self._file)


def _written(file: str) -> float:
    return os.stat(file).st_mtime_ns if file else 0


class _Resolver(AbstractResolver):
    """curl's --resolve, then the system's. `localhost` is 127.0.0.1, where the edge listens, without asking each time."""

    def __init__(self, addresses: Any) -> None:
        self._addresses, self._system = dict(addresses), aiohttp.ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        default = f"127.0.0.1:{port}" if host == "localhost" else ""
        address, _, at = self._addresses.get(f"{host}:{port}", default).rpartition(":")
        if not address:
            return await self._system.resolve(host, port, family)
        return [ResolveResult(hostname=host, host=address, port=int(at), family=socket.AF_INET, proto=0, flags=0)]

    async def close(self) -> None:
        await self._system.close()


def _named(error: Exception) -> str:
    """As few different words as there are causes: a message with an address or a port in it would be a cause of its own."""
    if isinstance(error, aiohttp.ClientSSLError | ssl.SSLError):
        return "certificate not trusted"
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return "disconnected"
    if isinstance(error, aiohttp.ClientPayloadError):
        return "answer cut short"
    if isinstance(error, OSError) and error.errno and error.errno > 0:
        return os.strerror(error.errno).lower()
    return type(error).__name__
