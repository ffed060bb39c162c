"""A prepared HTTP/1.1 request, sent over a kept-alive connection → its status; and latencies → percentiles.

For the API server's figures, where each request differs and watches stay open. Predictions are sent by iiab_lab's own load.
"""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass, field

_LIMIT = 2**24  # of one answer


@dataclass
class Sample:
    latencies: list[float] = field(default_factory=list)
    statuses: dict[int, int] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def rate(self) -> float:
        return len(self.latencies) / self.seconds

    def percentile(self, share: float) -> float:
        """Seconds."""
        return percentile(self.latencies, share)

    def add(self, status: int, seconds: float) -> None:
        self.latencies.append(seconds)
        self.statuses[status] = self.statuses.get(status, 0) + 1


def percentile(values: list[float], share: float) -> float:
    """Nearest rank."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def request(host: str, path: str, body: bytes, headers: dict[str, str], method: str = "POST") -> bytes:
    fields = {"Host": host, "Content-Type": "application/json", "Content-Length": str(len(body))} | headers
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + body


class Connection:
    """Kept alive; opened anew after it broke."""

    def __init__(self, port: int, tls: ssl.SSLContext | None = None) -> None:
        self._port, self._tls = port, tls
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        self._streams = await asyncio.open_connection("127.0.0.1", self._port, ssl=self._tls, limit=_LIMIT)
        return self._streams

    async def exchange(self, message: bytes) -> int:
        """The status; 0 where no answer came."""
        try:
            return await _exchange(*(self._streams or await self.open()), message)
        except (OSError, asyncio.IncompleteReadError):
            self.close()
            return 0

    def close(self) -> None:
        if self._streams:
            self._streams[1].close()
        self._streams = None


async def _exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, message: bytes) -> int:
    writer.write(message)
    head = await reader.readuntil(b"\r\n\r\n")
    lower = head.lower()
    if b"content-length:" in lower:
        await reader.readexactly(int(lower.split(b"content-length:", 1)[1].split(b"\r\n", 1)[0]))
    elif b"chunked" in lower:
        await reader.readuntil(b"0\r\n\r\n")
    return int(head[9:12])
