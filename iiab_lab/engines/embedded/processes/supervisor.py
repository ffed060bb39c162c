"""The control plane's end of the spawner's socket: start, signal, and hear of every end.

What runs is written to `<home>/run/processes.json` as (pid, start time), so that the next `up` or `down` finds, by exact
identity, whatever a crash of everything at once might leave.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from ..objects.sandbox import StartFailed

_SPAWNER = Path(__file__).with_name("spawner.py")
_RECORD = "run/processes.json"


@dataclass(frozen=True)
class Command:
    argv: tuple[str, ...]
    env: Mapping[str, str]
    cwd: Path
    log: Path
    warm: str = ""  # of which warm parent it can be claimed


class Supervisor:
    """`ended(id, exit code, signal)` is called on the loop. `lost` is set when the spawner dies: then all is over."""

    def __init__(self, home: Path, ended: Callable[[str, int, int], None]) -> None:
        self._home, self._ended = home, ended
        self.lost = asyncio.Event()
        self._starting: dict[str, asyncio.Future[int]] = {}
        self._pids: dict[str, int] = {}
        self._known: dict[int, float] = {}
        self._closing = False

    async def open(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            argv = (sys.executable, "-I", "-S", str(_SPAWNER), str(theirs.fileno()))
            self._process = await asyncio.create_subprocess_exec(
                *argv, pass_fds=(theirs.fileno(),), stdin=asyncio.subprocess.DEVNULL, start_new_session=True
            )
        self._remember(self._process.pid)
        self._reader, self._writer = await asyncio.open_connection(sock=ours)
        self._listening = asyncio.create_task(self._listen())

    async def close(self) -> None:
        """Every process is dead, and reaped, when this returns."""
        self._closing = True
        self._writer.close()
        await self._process.wait()
        await self._listening
        (self._home / _RECORD).unlink(missing_ok=True)

    async def start(self, id: str, command: Command) -> int:
        """→ pid; raises StartFailed."""
        waiting: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._starting[id] = waiting
        self._send({"do": "start", "id": id, "warm": command.warm, **_how(command)})
        return await waiting

    def keep_warm(self, name: str, parent: Command, most: int) -> None:
        """Keeps one warm parent of this name; at most so many starts wait for it, the others are executed."""
        self._send({"do": "warm", "id": name, "most": most, **_how(parent)})

    def signal(self, id: str, number: int) -> None:
        """To the process and everything in its session; nothing if it ended."""
        self._send({"do": "signal", "id": id, "signal": number})

    def _send(self, command: dict[str, Any]) -> None:
        self._writer.write(json.dumps(command).encode() + b"\n")

    async def _listen(self) -> None:
        with contextlib.suppress(ConnectionError):
            while line := await self._reader.readline():
                self._hear(json.loads(line))
        if not self._closing:
            self._take_along()
            self.lost.set()

    def _hear(self, event: dict[str, Any]) -> None:
        id = event["id"]
        if event["is"] == "ended":
            self._forget(self._pids.pop(id, 0))
            self._ended(id, event["code"], event["signal"])
            return
        waiting = self._starting.pop(id)
        if event["is"] == "started":
            self._pids[id] = event["pid"]
            self._remember(event["pid"])
        if waiting.done():
            return
        if event["is"] == "failed":
            waiting.set_exception(StartFailed(event["why"]))
        else:
            waiting.set_result(event["pid"])

    def _take_along(self) -> None:
        """The spawner was killed. On Linux its children die with it; elsewhere, and for theirs, we see to it."""
        for waiting in self._starting.values():
            waiting.cancel()
        for pid in self._pids.values():
            _kill_group(pid)

    def _remember(self, pid: int) -> None:
        with contextlib.suppress(psutil.Error):
            self._known[pid] = psutil.Process(pid).create_time()
        self._write()

    def _forget(self, pid: int) -> None:
        self._known.pop(pid, None)
        self._write()

    def _write(self) -> None:
        path = self._home / _RECORD
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(".new")
        temporary.write_text(json.dumps(list(self._known.items())))
        temporary.replace(path)


def _how(command: Command) -> dict[str, Any]:
    return {
        "argv": command.argv,
        "env": dict(command.env),
        "cwd": str(command.cwd),
        "log": str(command.log),
    }


def kill_leftovers(home: Path) -> None:
    """Kills what a crashed control plane of this home left, if its pid still means the same process."""
    try:
        known = json.loads((home / _RECORD).read_text())
    except (OSError, ValueError):
        return
    # All are looked for first, and the spawner, which began before them, goes last: its children die with it, and of a group
    # whose leader is gone nobody could tell any more whose it is.
    left = [process for pid, started in known if (process := _still(pid, started))]
    for process in reversed(left):
        _kill_group(process.pid)
    psutil.wait_procs(left, 5)
    (home / _RECORD).unlink(missing_ok=True)


def _still(pid: int, started: float) -> psutil.Process | None:
    with contextlib.suppress(psutil.Error):
        process = psutil.Process(pid)
        return process if abs(process.create_time() - started) < 0.01 else None
    return None


def _kill_group(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
