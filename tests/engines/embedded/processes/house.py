"""A supervisor with a warm parent of its own, and what a test wants to know of both."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import psutil

from iiab_lab.engines.embedded.processes.supervisor import Command, Supervisor

ROOT = str(Path(__file__).parents[4])
GUEST = "tests.engines.embedded.processes.guest"
BASE = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "PYTHONPATH": ROOT} | dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"
)
WARM = "iiab_lab.runtimes.warm"


async def until(condition: Callable[[], Any]) -> Any:
    async with asyncio.timeout(30):
        while not (found := condition()):
            await asyncio.sleep(0.01)
    return found


class House:
    """A supervisor with one warm parent, and everything that it heard."""

    def __init__(self, home: Path) -> None:
        self.home, self.ends = home, dict[str, tuple[int, int]]()
        self.supervisor = Supervisor(home, lambda id, code, number: self.ends.update({id: (code, number)}))

    def keep(self, *words: str, most: int = 16, **more: str) -> None:
        argv = (sys.executable, "-m", WARM, *words, " " * 256)
        self.supervisor.keep_warm("w", Command(argv, BASE | more, self.home, self.home / "parent.log"), most)

    def log(self, id: str) -> Path:
        return self.home / f"{id}.log"

    async def start(self, id: str, *arguments: str, module: str = GUEST, **more: str) -> int:
        argv = (sys.executable, "-m", module, *arguments)
        return await self.supervisor.start(id, Command(argv, BASE | more, self.home, self.log(id), "w"))

    async def world(self, id: str) -> dict[str, Any]:
        await until(lambda: self.log(id).exists() and "\n" in self.log(id).read_text())
        found: dict[str, Any] = json.loads(self.log(id).read_text().splitlines()[0])
        return found

    async def forked(self, id: str, *arguments: str, **more: str) -> bool:
        await self.start(id, *arguments, **more)
        return bool((await self.world(id))["forked"])

    @property
    def spawner(self) -> psutil.Process:
        return psutil.Process(self.supervisor._process.pid)

    def family(self) -> list[psutil.Process]:
        return [self.spawner, *self.spawner.children()]

    def warm(self) -> list[psutil.Process]:
        """The parent first, and then the spares that are there already: they are younger."""
        found = []
        for process in self.spawner.children():
            with contextlib.suppress(psutil.Error):
                if WARM in process.cmdline():
                    found.append(process)
        return sorted(found, key=lambda process: (process.create_time(), process.pid))


@contextlib.asynccontextmanager
async def house(home: Path) -> AsyncIterator[House]:
    made = House(home)
    await made.supervisor.open()
    try:
        yield made
    finally:
        await made.supervisor.close()
