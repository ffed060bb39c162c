"""The machine's processes → which of them belong to whom: each leader's, whatever has forked or left its parent since."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import psutil

_PAGE = os.sysconf("SC_PAGE_SIZE")


class Process(NamedTuple):
    """`resident`: bytes of memory, those that it shares with others included."""

    pid: int
    parent: int
    session: int
    resident: int


def processes() -> dict[int, Process]:
    """By pid: all that run now."""
    return {one.pid: one for one in (_linux() if sys.platform == "linux" else _others())}


def of(leaders: Iterable[int], known: Mapping[int, Process]) -> dict[int, list[int]]:
    """Leader → pids: those below it, nearer to it than to another; then those of its session."""
    wanted, found = set(leaders), dict[int, list[int]]()
    for one in known.values():
        leader = next((above for above in _ancestry(one.pid, known) if above in wanted), one.session)
        if leader in wanted:
            found.setdefault(leader, []).append(one.pid)
    return found


def _ancestry(pid: int, known: Mapping[int, Process]) -> Iterator[int]:
    """Itself first. A pid that was given out again meanwhile could close a ring."""
    seen: set[int] = set()
    while pid in known and pid not in seen:
        yield pid
        seen.add(pid)
        pid = known[pid].parent


def _linux() -> Iterator[Process]:
    for name in os.listdir("/proc"):
        if name.isdecimal():
            with contextlib.suppress(OSError), open(f"/proc/{name}/stat", "rb") as file:
                # The name of the program, in parentheses, may hold anything.
                fields = file.read().rpartition(b")")[2].split()
                yield Process(int(name), int(fields[1]), int(fields[3]), int(fields[21]) * _PAGE)


def _others() -> Iterator[Process]:
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            yield Process(process.pid, process.ppid(), os.getsid(process.pid), process.memory_info().rss)
