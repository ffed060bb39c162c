"""What containers use, read from real processes: forks, the dead and the orphaned among them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import psutil
import pytest

from iiab_lab.engines.embedded.objects.sandbox import Usage
from iiab_lab.engines.embedded.processes.usage import Meter, Running

from .started import Start, started

PRELUDE = """
import os, signal, time
def burn():
    while time.process_time() < 0.3: pass
def say(pid): print(pid, flush=True)
def wait(): signal.pause()
"""
ALONE = "burn(); say(os.getpid()); wait()"
FORKED = "pid = os.fork()\nif not pid: burn(); say(os.getpid())\nwait()"
REAPED = "pid = os.fork()\nif not pid: burn(); os._exit(0)\nos.waitpid(pid, 0); say(pid); wait()"
ORPHANED = """
if not os.fork():
    if not os.fork(): burn(); say(os.getpid()); wait()
    os._exit(0)
os.wait(); wait()
"""
BIG = "held = bytearray(os.urandom(1)) * 100_000_000\npid = os.fork()\nif not pid: say(os.getpid())\nwait()"
NESTED = "pid = os.fork()\nif not pid: os.setsid(); burn(); say(os.getpid())\nwait()"


@pytest.fixture
def start() -> Iterator[Start]:
    with started(PRELUDE) as start:
        yield start


def running(pid: int, container: str = "main", ago: float = 100.0, uid: str = "pod") -> Running:
    return Running(uid, container, pid, time.time() - ago)


def measured(*containers: Running) -> dict[str, Usage]:
    meter = Meter(lambda: containers)
    meter.measure(containers)
    return dict(meter.usage("pod"))


@pytest.mark.parametrize("program", [ALONE, FORKED, REAPED, ORPHANED], ids=["alone", "forked", "reaped", "orphaned"])
def test_all_the_cpu_time_of_a_container_counts(start: Start, program: str) -> None:
    usage = measured(running(start(program)[0]))["main"]
    assert usage.cpu * usage.window >= 0.29
    assert usage.window >= 100 and usage.memory > 2**20


def test_memory_that_a_fork_shares_counts_once(start: Start) -> None:
    memory = measured(running(start(BIG)[0]))["main"].memory
    assert memory > 100_000_000
    assert memory < 150_000_000 or sys.platform != "linux"  # elsewhere nobody tells what is shared


def test_a_process_counts_for_the_container_it_leads(start: Start) -> None:
    parent, child = start(NESTED)
    try:
        usages = measured(running(parent, "parent"), running(child, "child"))
    finally:
        os.kill(child, signal.SIGKILL)
    assert usages["child"].cpu * usages["child"].window >= 0.29
    assert usages["parent"].cpu * usages["parent"].window < 0.29


def test_use_is_what_was_added_between_two_looks(start: Start) -> None:
    one = running(start(ALONE)[0])
    meter = Meter(lambda: [one])
    meter.measure([one])
    meter.measure([one])
    second = meter.usage("pod")["main"]
    assert second.window < 100 and second.cpu * second.window < 0.1


def test_a_new_container_is_told_about_at_the_second_look(start: Start) -> None:
    one = running(start(ALONE)[0], ago=0)
    meter = Meter(lambda: [one])
    meter.measure([one])
    assert meter.usage("pod") == {}
    meter.measure([one])
    assert set(meter.usage("pod")) == {"main"}


def test_a_pod_is_told_about_when_all_that_runs_in_it_is_measured(start: Start) -> None:
    old, new = running(start(ALONE)[0], "old"), running(start(ALONE)[0], "new", ago=0)
    other = running(old.pid, "main", uid="other")
    meter = Meter(lambda: [])
    meter.measure([old, new, other])
    assert meter.usage("pod") == {} and set(meter.usage("other")) == {"main"}
    meter.measure([old, new])
    assert set(meter.usage("pod")) == {"old", "new"} and meter.usage("other") == {}


def test_a_container_that_ended_meanwhile_uses_nothing() -> None:
    with subprocess.Popen([sys.executable, "-c", ""], start_new_session=True) as gone:
        gone.wait()
    usage = measured(running(gone.pid))["main"]
    assert (usage.cpu, usage.memory) == (0.0, 0)


def test_the_node_is_the_whole_machine(start: Start) -> None:
    meter = Meter(lambda: [])
    meter.measure([])
    assert meter.node() is None
    start(ALONE)
    meter.measure([])
    node = meter.node()
    assert node and node.cpu * node.window >= 0.29 and node.memory > 2**20


def test_what_a_container_used_in_all_never_falls(start: Start) -> None:
    """A child's seconds are its parent's once it is waited for; what an orphan takes with it stays counted."""
    meter, (pid, orphan) = Meter(lambda: ()), start(ORPHANED)
    one = running(pid)
    meter.measure([one])
    before = meter.totals[one]
    tick = 1 / os.sysconf("SC_CLK_TCK")  # what the kernel counts in, of each of the two
    assert before.cpu >= 0.3 - 2 * tick and before.memory > 0
    dying = psutil.Process(orphan)
    dying.kill()
    dying.wait(10)
    meter.measure([one])
    assert meter.totals[one].cpu >= before.cpu
    meter.measure([])
    assert meter.totals == {}
