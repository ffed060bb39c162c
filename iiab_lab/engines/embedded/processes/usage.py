"""Running containers → what each uses, measured every 15 s like metrics-server: CPU and memory of its whole process tree.

Whatever a container forks counts for it, also what has left its tree but not its session. Memory is proportional (PSS) where
the system tells it: pages that forked children share count once.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import psutil

from ..objects.sandbox import Usage
from . import families

WINDOW_SECONDS = 15.0
# A new container is told about once it has run that long: over less, a start looks like load.
_FRESH_SECONDS = 10.0
# What a processor does, of psutil's times: those of guests are in `user` and `nice` already.
_BUSY = ("user", "nice", "system", "irq", "softirq", "steal")


class Running(NamedTuple):
    """One attempt of a container, and the process that leads its session."""

    uid: str
    container: str
    pid: int
    started: float


class Total(NamedTuple):
    """Since the container started: seconds of a processor, which never fall; bytes, at the last look."""

    cpu: float
    memory: int


@dataclass(frozen=True)
class _Reading:
    at: float
    cpu: float  # seconds, since the container started
    memory: int


class Meter:
    def __init__(self, running: Callable[[], Sequence[Running]]) -> None:
        self._running = running
        self._read: dict[Running, _Reading] = {}
        self._usages: dict[str, dict[str, Usage]] = {}
        self.totals: dict[Running, Total] = {}
        self._machine: _Reading | None = None
        self._node: Usage | None = None

    async def keep(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.to_thread(self.measure, self._running())
            await asyncio.sleep(WINDOW_SECONDS)

    def usage(self, uid: str) -> Mapping[str, Usage]:
        """Of each container of a Pod; nothing while any that runs is not measured yet."""
        return self._usages.get(uid, {})

    def node(self) -> Usage | None:
        """Of the whole machine, whoever runs there."""
        return self._node

    def measure(self, running: Sequence[Running]) -> None:
        belonging, now = families.of((one.pid for one in running), families.processes()), time.time()
        readings = {one: _reading(belonging.get(one.pid, ()), now) for one in running}
        usages: dict[str, dict[str, Usage | None]] = {}
        for one, reading in readings.items():
            usages.setdefault(one.uid, {})[one.container] = _between(self._read.get(one), reading, one.started)
        self.totals = {one: self._total(one, reading) for one, reading in readings.items()}
        machine = _machine()
        self._node, self._machine = _between(self._machine, machine, machine.at), machine
        self._read = readings
        self._usages = {
            uid: {name: usage for name, usage in of.items() if usage}
            for uid, of in usages.items()
            if all(usage is not None for usage in of.values())
        }

    def _total(self, one: Running, reading: _Reading) -> Total:
        before, told = self._read.get(one), self.totals.get(one)
        used = reading.cpu - before.cpu if before else reading.cpu
        return Total((told.cpu if told else 0.0) + max(0.0, used), reading.memory)


def _between(before: _Reading | None, after: _Reading, started: float) -> Usage | None:
    if before is None:
        if after.at - started < _FRESH_SECONDS:
            return None
        before = _Reading(started, 0.0, 0)
    window = max(after.at - before.at, 1e-3)
    # What a dead orphan used is lost to its tree: the sum can fall, use cannot.
    return Usage(after.at, window, max(0.0, after.cpu - before.cpu) / window, after.memory)


def _reading(family: Iterable[int], now: float) -> _Reading:
    cpu, memory = 0.0, 0
    for pid in family:
        with contextlib.suppress(psutil.Error):  # it ended meanwhile
            process = psutil.Process(pid)
            cpu += sum(process.cpu_times()[:4])  # its own and its dead children's, in user and in system mode
            memory += proportional(process)
    return _Reading(now, cpu, memory)


def _machine() -> _Reading:
    times, memory = psutil.cpu_times(), psutil.virtual_memory()
    busy = sum(getattr(times, name, 0.0) for name in _BUSY)
    return _Reading(time.time(), busy, memory.total - memory.available)


def proportional(process: psutil.Process, *, swapped: bool = False) -> int:
    """Bytes: of what several processes share, each has its part; raises psutil.Error when it has ended."""
    if sys.platform == "linux":
        with contextlib.suppress(psutil.AccessDenied):
            full = process.memory_full_info()
            return int(full.pss + (full.swap if swapped else 0))
    return int(process.memory_info().rss)
