"""The control plane's connection: a line of JSON per revision comes in, a line of statistics per second goes out.

→ {"revision", "limit", "timeout", "backends", "plain", "failure"}   → {"revision", "gone": true}
← {"stats": [{"revision", "concurrency", "requests", "proxied_concurrency", "proxied_requests"}, …]}

The newest connection counts. Without one, requests still go to the Pods that were known last.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Any

from ..objects.capacity import Capacity
from .throttler import Throttler


class Channel:
    def __init__(self, throttler: Throttler) -> None:
        self._throttler = throttler
        self._writer: asyncio.StreamWriter | None = None

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        with contextlib.suppress(ConnectionError):
            while line := await reader.readline():
                self._hear(json.loads(line))
        if self._writer is writer:
            self._writer = None
        writer.close()

    def send(self, stats: list[dict[str, Any]]) -> None:
        if self._writer:
            self._writer.write(json.dumps({"stats": stats}).encode() + b"\n")

    def _hear(self, said: dict[str, Any]) -> None:
        name = said.pop("revision")
        if said.pop("gone", False):
            self._throttler.forget(name)
            return
        said["backends"] = tuple(said["backends"])
        self._throttler[name].update(Capacity(**said))
