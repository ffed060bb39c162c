"""`python -m iiab_lab.engines.embedded.activator`: holds requests on 8012, talks to the control plane on 8013, until SIGTERM."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys

import grpc
import uvicorn
import uvloop

from ....services.health import health_and_metrics
from ....services.listen import listening
from .channel import Channel
from .reporter import Reporter
from .service import handlers
from .throttler import Throttler

HOLD, CONTROL, METRICS = 8012, 8013, 9090
_SECOND = 1.0


def main() -> int:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    uvloop.run(_serve())
    return 0


async def _serve() -> None:
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    throttler = Throttler()
    channel = Channel(throttler)
    reporter = Reporter(channel.send)
    control = await asyncio.start_unix_server(channel.accept, sock=listening(CONTROL))
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((handlers(throttler, reporter),))
    server.add_insecure_port(f"unix:{os.environ[f'IIAB_SOCKET_{HOLD}']}")
    await server.start()
    web = uvicorn.Server(uvicorn.Config(health_and_metrics("/healthz"), access_log=False, log_level="warning"))
    web.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    serving = asyncio.create_task(web.serve(sockets=[listening(METRICS)]))
    while not stop.is_set():
        reporter.report()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), _SECOND)
    web.should_exit = True
    control.close()
    await asyncio.gather(serving, server.stop(1))


if __name__ == "__main__":
    sys.exit(main())
