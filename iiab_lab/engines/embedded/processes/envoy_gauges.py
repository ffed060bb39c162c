"""One sidecar's admin socket, over a connection that stays open → how many requests it has in hand, and how many came."""

from __future__ import annotations

import asyncio
import re
import time
from pathlib import Path

from ..rules.autoscaling.metrics import Stat

_STAT = re.compile(rb"upstream_rq_(active|pending_active|total|pending_overflow): (\d+)")
# Of the cluster behind every port of the application; what goes by "unqueued" (Prometheus) is nobody's load.
_PATH = "/stats?filter=^cluster%5C.inbound%5C%7C[0-9]%2B%5C%7C%5C%7C%5C.upstream_rq_(active|pending_active|total|pending_overflow)$"
_DURATIONS = "/stats/prometheus?filter=istio.request_duration"
_REQUEST = f"GET {_PATH.replace('|', '%7C')} HTTP/1.1\r\nHost: admin\r\n\r\n".encode()
_MOST = 2**22  # of one answer


class Gauges:
    def __init__(self, socket: Path) -> None:
        self._socket = socket
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._began = self._seen = time.monotonic()
        self._area = 0.0
        self._reported = 0
        self.active = self.waiting = self.total = 0
        self._asking = asyncio.Lock()  # one answer at a time on the connection

    async def look(self) -> None:
        """A proxy that does not answer is one that has ended, or not begun: it has nothing in hand."""
        try:
            active, waiting, total = _counts(await self._ask(_REQUEST))
        except (OSError, asyncio.IncompleteReadError, TimeoutError):
            self.close()
            active, waiting, total = 0, 0, self.total
        now = time.monotonic()
        self._area += self.active * (now - self._seen)
        self._seen, self.active, self.waiting, self.total = now, active, waiting, total
        self._reported = min(self._reported, total)  # a proxy that started anew counts from zero

    def report(self, pod: str) -> Stat | None:
        """Concurrency and requests per second since the last report; None before the first look."""
        seconds = self._seen - self._began
        if seconds <= 0:
            return None
        stat = Stat(pod, self._area / seconds, 0.0, (self.total - self._reported) / seconds, 0.0)
        self._began, self._area, self._reported = self._seen, 0.0, self.total
        return stat

    def close(self) -> None:
        if self._streams:
            self._streams[1].close()
        self._streams = None

    async def durations(self) -> str:
        """Prometheus' text of the requests' durations; "" where no proxy answers."""
        try:
            return (await self._ask(f"GET {_DURATIONS} HTTP/1.1\r\nHost: admin\r\n\r\n".encode())).decode()
        except (OSError, asyncio.IncompleteReadError, TimeoutError):
            self.close()
            return ""

    async def _ask(self, request: bytes) -> bytes:
        async with self._asking, asyncio.timeout(1):
            if self._streams is None:
                self._streams = await asyncio.open_unix_connection(str(self._socket), limit=_MOST)
            reader, writer = self._streams
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            return await _body(head, reader)


def _counts(body: bytes) -> tuple[int, int, int]:
    """→ (in hand, those that wait for the application included; those alone; all that ever came)"""
    found = {b"active": 0, b"pending_active": 0, b"total": 0, b"pending_overflow": 0}
    for name, value in _STAT.findall(body):
        found[name] += int(value)
    waiting = found[b"pending_active"]
    return found[b"active"] + waiting, waiting, found[b"total"] + found[b"pending_overflow"]


async def _body(head: bytes, reader: asyncio.StreamReader) -> bytes:
    if b"chunked" not in head.lower():
        found = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
        return await reader.readexactly(int(found[1])) if found else b""
    body = b""
    while size := int(await reader.readuntil(b"\r\n"), 16):
        body += (await reader.readexactly(size + 2))[:-2]
    await reader.readexactly(2)
    return body
