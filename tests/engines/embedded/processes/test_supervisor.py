"""Nothing survives whatever dies: real processes, real signals."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from iiab_lab.engines.embedded.objects.sandbox import StartFailed
from iiab_lab.engines.embedded.processes.supervisor import Command, Supervisor, kill_leftovers

# Says its name, starts a child of its own, and then waits for ever.
STUBBORN = """
import signal, subprocess, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
print(child.pid, flush=True)
signal.pause()
"""


def command(folder: Path, code: str) -> Command:
    return Command((sys.executable, "-c", code), {"PATH": os.environ["PATH"]}, folder, folder / "log")


async def grandchild(log: Path) -> psutil.Process:
    async with asyncio.timeout(20):
        while not (log.exists() and log.read_text().endswith("\n")):
            await asyncio.sleep(0.01)
    return psutil.Process(int(log.read_text()))


def family_dies(processes: list[psutil.Process]) -> bool:
    return not psutil.wait_procs(processes, timeout=20)[1]


def test_exit_codes_signals_and_output_arrive(tmp_path: Path) -> None:
    async def body() -> dict[str, tuple[int, int]]:
        ends: dict[str, tuple[int, int]] = {}
        supervisor = Supervisor(tmp_path, lambda id, code, number: ends.update({id: (code, number)}))
        await supervisor.open()
        await supervisor.start("ok", command(tmp_path, "print('hello')"))
        await supervisor.start("bad", command(tmp_path, "raise SystemExit(3)"))
        await supervisor.start("killed", command(tmp_path, "import signal; signal.pause()"))
        supervisor.signal("killed", signal.SIGTERM)
        async with asyncio.timeout(20):
            while len(ends) < 3:
                await asyncio.sleep(0.01)
        with pytest.raises(StartFailed, match="No such file"):
            await supervisor.start("none", Command(("/no/such/program",), {}, tmp_path, tmp_path / "log"))
        await supervisor.close()
        return ends

    assert asyncio.run(body()) == {"ok": (0, 0), "bad": (3, 0), "killed": (143, 15)}
    assert "hello" in (tmp_path / "log").read_text()


def test_close_takes_everything_along(tmp_path: Path) -> None:
    async def body() -> list[psutil.Process]:
        supervisor = Supervisor(tmp_path, lambda *_: None)
        await supervisor.open()
        pid = await supervisor.start("stubborn", command(tmp_path, STUBBORN))
        family = [psutil.Process(pid), await grandchild(tmp_path / "log")]
        await supervisor.close()
        return family

    assert family_dies(asyncio.run(body()))


def test_a_killed_spawner_is_noticed_and_leaves_nothing(tmp_path: Path) -> None:
    async def body() -> list[psutil.Process]:
        supervisor = Supervisor(tmp_path, lambda *_: None)
        await supervisor.open()
        pid = await supervisor.start("stubborn", command(tmp_path, STUBBORN))
        family = [psutil.Process(pid), await grandchild(tmp_path / "log")]
        psutil.Process(pid).parent().kill()  # type: ignore[union-attr]
        async with asyncio.timeout(20):
            await supervisor.lost.wait()
        return family

    assert family_dies(asyncio.run(body()))


OWNER = """
import asyncio, os, signal, sys
from pathlib import Path
from iiab_lab.engines.embedded.processes.supervisor import Command, Supervisor
home, code = Path(sys.argv[1]), sys.argv[2]
async def body():
    supervisor = Supervisor(home, lambda *_: None)
    await supervisor.open()
    pid = await supervisor.start("x", Command((sys.executable, "-c", code), dict(os.environ), home, home / "log"))
    print(pid, flush=True)
    await asyncio.Event().wait()
asyncio.run(body())
"""


def owned(home: Path) -> tuple[subprocess.Popen[str], list[psutil.Process]]:
    owner = subprocess.Popen([sys.executable, "-c", OWNER, str(home), STUBBORN], stdout=subprocess.PIPE, text=True)
    assert owner.stdout
    pid = int(owner.stdout.readline())
    return owner, [psutil.Process(pid), asyncio.run(grandchild(home / "log")), *psutil.Process(owner.pid).children()]


def test_a_killed_owner_leaves_nothing(tmp_path: Path) -> None:
    owner, family = owned(tmp_path)
    owner.kill()
    owner.wait(20)
    assert family_dies(family)


def test_what_survives_a_crash_of_both_is_found_by_identity(tmp_path: Path) -> None:
    """The spawner stopped, so that it cannot clean up; its owner killed."""
    owner, family = owned(tmp_path)
    spawner = psutil.Process(owner.pid).children()[0]
    spawner.suspend()
    owner.kill()
    owner.wait(20)
    assert family[0].is_running()
    kill_leftovers(tmp_path)
    assert family_dies(family)
