"""`python -m iiab_lab.services.ratelimit --config=FOLDER [--grpc-port=8081] [--port=8080]`: serves until SIGTERM.

FOLDER holds *.yaml in the form of envoyproxy/ratelimit; it is read again whenever a file in it changes.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import sys
from pathlib import Path

import grpc
import uvicorn
import yaml
from watchfiles import awatch

from ..health import health_and_metrics
from ..listen import listening
from .limits import Limits
from .service import announce, handlers

log = logging.getLogger(__name__)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m iiab_lab.services.ratelimit", description=__doc__)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--grpc-port", type=int, default=8081)
    parser.add_argument("--port", type=int, default=8080, help="health and metrics")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    asyncio.run(_serve(arguments))
    return 0


async def _serve(arguments: argparse.Namespace) -> None:
    limits, stop = Limits(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    load(limits, arguments.config)
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((handlers(limits),))
    server.add_insecure_port(_address(arguments.grpc_port))
    await server.start()
    web = uvicorn.Server(uvicorn.Config(health_and_metrics("/healthcheck"), access_log=False, log_level="warning"))
    web.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    serving = asyncio.create_task(web.serve(sockets=[listening(arguments.port)]))
    async for _ in awatch(arguments.config, stop_event=stop, debounce=1, step=1):
        load(limits, arguments.config)
    web.should_exit = True
    await serving
    await server.stop(1)


def load(limits: Limits, folder: Path) -> None:
    """A configuration that cannot be read leaves the one before in force."""
    try:
        limits.load([yaml.safe_load(file.read_text()) for file in sorted(folder.glob("*.yaml"))])
        announce(limits)
    except (OSError, yaml.YAMLError, KeyError, TypeError, ValueError) as error:
        log.error("the limits stay as they were: %s", error)


def _address(port: int) -> str:
    """In a container any interface; the embedded engine says which port on loopback stands for ours."""
    own = os.environ.get(f"IIAB_PORT_{port}")
    return f"127.0.0.1:{own}" if own else f"[::]:{port}"


if __name__ == "__main__":
    sys.exit(main())
