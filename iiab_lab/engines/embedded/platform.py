"""The composition root: one home directory → the control plane, on one event loop. The one file that knows everything.

`python -m iiab_lab.engines.embedded.platform HOME PORTS READY_FD` opens the store, starts the spawner, the controllers
and the API server, writes the kubeconfig, and says so with one byte on READY_FD. It ends on SIGTERM, or when the spawner
is lost; either way every process it started ends with it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
from pathlib import Path

from . import wiring
from .credentials import Credentials

log = logging.getLogger("iiab")


async def serve(home: Path, ports: dict[str, int], ready: int) -> int:
    """Runs until told to stop → exit code: 0 when asked to, 1 when the spawner died."""
    async with contextlib.AsyncExitStack() as stack:
        credentials = Credentials.open(home / "pki", ports["kubernetes"])
        parts = await stack.enter_async_context(wiring.assemble(home, ports, credentials))
        credentials.write_kubeconfig(home / "kubeconfig")
        (home / "ca.crt").write_text(credentials.ca_pem)
        _record(home, ports)
        os.write(ready, b"1")
        os.close(ready)
        log.info("serving", extra={"home": str(home)})
        return await _until_stopped(parts.lost)


async def _until_stopped(lost: asyncio.Event) -> int:
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)
    waits = [asyncio.create_task(event.wait()) for event in (told, lost)]
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()
    return 0 if told.is_set() else 1
