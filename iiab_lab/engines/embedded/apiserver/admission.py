"""How many requests are worked on at once, and for how long: past it 429 or 504, so that nobody starves the others.

Kubernetes' defaults: 400 reads and 200 writes in flight, a minute for each; watches, logs and forwards are not counted.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from prometheus_client import CollectorRegistry, Gauge

from ....errors import ApiError
from .info import Info

READS, WRITES, SECONDS = 400, 200, 60.0
_MUTATING = ("create", "update", "patch", "delete", "deletecollection")
_LONG = ("log", "portforward", "exec", "attach", "proxy")


class InFlight:
    def __init__(self, registry: CollectorRegistry, reads: int = READS, writes: int = WRITES) -> None:
        self._most, self._now = {"readOnly": reads, "mutating": writes}, {"readOnly": 0, "mutating": 0}
        self._gauge = Gauge(
            "apiserver_current_inflight_requests", "Without long-running ones.", ["request_kind"], registry=registry
        )

    @contextlib.asynccontextmanager
    async def one(self, info: Info) -> AsyncIterator[None]:
        if is_long_running(info):
            yield
            return
        kind = "mutating" if info.verb in _MUTATING else "readOnly"
        if self._now[kind] >= self._most[kind]:
            raise ApiError(429, "TooManyRequests", "too many requests, please try again later", "wait a second")
        self._count(kind, 1)
        try:
            async with asyncio.timeout(SECONDS):
                yield
        except TimeoutError as error:
            raise ApiError(504, "Timeout", f"the request took longer than {SECONDS:.0f} s", "send it again") from error
        finally:
            self._count(kind, -1)

    def _count(self, kind: str, more: int) -> None:
        self._now[kind] += more
        self._gauge.labels(kind).set(self._now[kind])


def is_long_running(info: Info) -> bool:
    return info.verb == "watch" or info.subresource in _LONG
