"""A run as one line of JSON on stdin → frames on stdout. A second line stops it; end-of-file, the parent's death, kills it.

`python -m iiab_lab.traffic.load`: a process of its own, so that plots in the parent stay live and take nothing from its pace.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import sys
import time
from typing import Any

import uvloop

from .ask import Asking
from .bounds import Bounds
from .call import Call
from .generator import Generator
from .phases import Phase
from .wire import Outbox

_TICK = 0.1
_LEAD = 0.05  # seconds from telling that it begins to the first request
_LINE = 2**26
_SPARE = 64  # file descriptors that are no connection


class Pipe(asyncio.BaseProtocol):
    """The way out. A parent that reads slowly delays nothing here."""

    def __init__(self) -> None:
        self.closed = asyncio.get_running_loop().create_future()

    def connection_lost(self, error: Exception | None) -> None:
        self.closed.set_result(None)


class Ticker:
    """What the generator is doing, ten times a second: with it go the records since the last time."""

    def __init__(self, generator: Generator, out: asyncio.WriteTransport, began: float) -> None:
        self._generator, self._out, self._began = generator, out, began
        self._seen = time.perf_counter(), time.process_time()

    async def run(self) -> None:
        while not self._generator.done.is_set():
            self.tick()
            await asyncio.sleep(_TICK)

    def tick(self, **more: object) -> None:
        generator, now, cpu = self._generator, time.perf_counter(), time.process_time()
        busy = (cpu - self._seen[1]) / max(now - self._seen[0], 1e-9)
        self._seen = now, cpu
        state = {"at": now - self._began, "in_flight": generator.in_flight, "waiting": generator.waiting, "busy": busy}
        self._out.write(generator.outbox.take(tick=state, **more))


async def main() -> None:
    loop = asyncio.get_running_loop()
    pipe, orders = Pipe(), asyncio.StreamReader(_LINE)
    out, _ = await loop.connect_write_pipe(lambda: pipe, sys.stdout)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
    if line := await orders.readline():
        await run(json.loads(line), orders, out)
    out.close()
    await pipe.closed


async def run(said: dict[str, Any], orders: asyncio.StreamReader, out: asyncio.WriteTransport) -> None:
    call, bounds = Call(**said["call"]), Bounds(**said["bounds"])
    phases = [Phase.from_json(phase) for phase in said["phases"]]
    room(bounds.connections)
    async with Asking(call, bounds.connections) as ask:
        generator, began = Generator(ask, bounds), time.perf_counter() + _LEAD
        heeding = asyncio.create_task(heed(orders, generator))
        out.write(Outbox().take(began=time.time() + _LEAD))
        generator.play(phases, began)
        ticker = Ticker(generator, out, began)
        await ticker.run()
        ticker.tick(ended=generator.ended)
        heeding.cancel()


async def heed(orders: asyncio.StreamReader, generator: Generator) -> None:
    while await orders.readline():
        generator.stop()
    os._exit(1)  # nobody reads any more


def room(connections: int) -> None:
    """As many files as connections want, as far as the system's hard limit goes; beyond, connecting fails and is counted."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + _SPARE
    if soft != resource.RLIM_INFINITY and soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


if __name__ == "__main__":
    uvloop.run(main())
