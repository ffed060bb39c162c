"""Running containers and their memory limits → those past theirs are killed, with everything they have started.

What a cgroup does, without the right to make one: every 0.2 s the memory of each container's process tree is added up, and
the whole tree gets SIGKILL, so that one container dies alone and not whatever the kernel would choose. Pages that it shares
with others, as a server does with the warm parent it was forked from, count in part (PSS), as in `kubectl top`; what is
swapped out counts too. Until the next look a program can take more than its limit.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import psutil

from . import families
from .usage import proportional

_EVERY_SECONDS = 0.2


class Limited(NamedTuple):
    """`id` of one attempt of a container, the process that leads its session, and how many bytes it may use."""

    id: str
    pid: int
    memory: int


class MemoryLimits:
    """`killed`: ids of those that went past their limits, until whoever hears of their end takes them out."""

    def __init__(self, running: Callable[[], Sequence[Limited]]) -> None:
        self._running = running
        self.killed: set[str] = set()

    async def keep(self) -> None:
        """Until cancelled."""
        while True:
            if running := self._running():
                await asyncio.to_thread(self.look, running)
            await asyncio.sleep(_EVERY_SECONDS)

    def look(self, running: Sequence[Limited]) -> None:
        known = families.processes()
        belonging = families.of((one.pid for one in running), known)
        for one in running:
            family = belonging.get(one.pid, [])
            # Cheap to read, and never less than its part: most are never looked at closer.
            if sum(known[pid].resident for pid in family) > one.memory and _used(family) > one.memory:
                self.killed.add(one.id)
                for pid in family:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)


def _used(family: Iterable[int]) -> int:
    used = 0
    for pid in family:
        with contextlib.suppress(psutil.Error):  # it ended meanwhile
            used += proportional(psutil.Process(pid), swapped=True)
    return used
