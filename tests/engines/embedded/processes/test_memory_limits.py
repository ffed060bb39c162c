"""Memory limits against real processes: who is killed, who is not, what the machine says of it."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from iiab_lab.engines.embedded.objects.kinds import Key
from iiab_lab.engines.embedded.objects.sandbox import Container, Sandbox, State
from iiab_lab.engines.embedded.processes import images
from iiab_lab.engines.embedded.processes.images import Program
from iiab_lab.engines.embedded.processes.machine import Machine
from iiab_lab.engines.embedded.processes.memory_limits import Limited, MemoryLimits

from .house import until
from .started import Start, started
from .test_machine import on_machine

MIB = 1 << 20
PRELUDE = """
import os, signal
def hold(mib):
    global held
    held = bytearray(os.urandom(1)) * (mib << 20)
def say(): print(os.getpid(), flush=True); signal.pause()
"""
ALONE = "hold(100); say()"
CHILD = "if not os.fork(): hold(100); say()\nsignal.pause()"
ORPHAN = "if not os.fork():\n  if not os.fork(): hold(100); say()\n  os._exit(0)\nos.wait(); signal.pause()"
HALVES = "hold(50)\nif not os.fork(): hold(50); say()\nsignal.pause()"
SHARED = "hold(100)\nif not os.fork(): say()\nsignal.pause()"


@pytest.fixture
def start() -> Iterator[Start]:
    with started(PRELUDE) as start:
        yield start


def dead(pid: int) -> bool:
    with contextlib.suppress(psutil.Error):
        psutil.wait_procs([psutil.Process(pid)], timeout=5)
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    return True


def alive(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


@pytest.mark.parametrize("program", [ALONE, CHILD, ORPHAN, HALVES], ids=["alone", "child", "orphan", "halves"])
def test_a_tree_past_its_limit_goes_whole_and_goes_alone(start: Start, program: str) -> None:
    (leader, member), (other, _) = start(program), start(ALONE)
    limits = MemoryLimits(lambda: ())
    limits.look([Limited("hog", leader, 80 * MIB), Limited("other", other, 500 * MIB)])
    assert limits.killed == {"hog"}
    assert dead(leader) and dead(member) and alive(other)


def test_what_a_tree_shares_counts_once(start: Start) -> None:
    leader, member = start(SHARED)
    limits = MemoryLimits(lambda: ())
    limits.look([Limited("pod", leader, 160 * MIB)])
    spared = limits.killed == set() and alive(leader) and alive(member)
    assert spared or sys.platform != "linux"  # elsewhere nobody tells what is shared


HOG = "import os, signal\nheld = bytearray(os.urandom(1)) * (300 << 20)\nsignal.pause()"
QUIET = "import signal; signal.pause()"


def test_the_machine_says_who_was_killed_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, code in (("hog", HOG), ("quiet", QUIET), ("selfish", "import os; os.kill(os.getpid(), 9)")):
        monkeypatch.setitem(images.IMAGES, name, lambda code=code: Program((sys.executable, "-c", code)))

    async def play(machine: Machine) -> None:
        names = ("hog", "quiet", "selfish")
        for name in names:
            sandbox = Sandbox(Key("tenant-b", name), name, "default", meshed=False)
            await machine.prepare(sandbox)
            await machine.start(sandbox, Container("main", name, 0, memory=150 * MIB))

        def states() -> list[State]:
            return [found for name in names if (found := machine.state(name, "main"))]

        def over() -> bool:
            machine.memory_limits.look(machine._limited())
            return sum(state.exit_code is not None for state in states()) == 2

        await until(over)
        hog, quiet, selfish = states()
        assert (hog.exit_code, hog.reason) == (137, "OOMKilled")
        assert (selfish.exit_code, selfish.reason) == (137, "") and quiet.exit_code is None
        assert machine.memory_limits.killed == set()

    on_machine(tmp_path, play)
