"""A Pod that is to end → the moment when its proxy has nothing in hand and nobody sends it anything any more.

Knative's queue-proxy holds a Pod back the same way: until no request came for a while, because whoever routes learns late
that the Pod is going. Its while is 30 s; here every router is on the same machine and knows within milliseconds.
"""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

from .envoy_gauges import Gauges

QUIET, _LOOK = 1.0, 0.05


async def drained(socket: Path, most: float, quiet: float = QUIET) -> None:
    """Returns at the latest after `most` seconds."""
    gauges, loop = Gauges(socket), asyncio.get_running_loop()
    last, seen = loop.time(), -1
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(most):
            while loop.time() - last < quiet:
                await gauges.look()
                if gauges.active or gauges.total != seen:
                    last, seen = loop.time(), gauges.total
                await asyncio.sleep(_LOOK)
    gauges.close()
