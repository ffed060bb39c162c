"""A function that looks → a daemon thread that calls it at a steady pace, one per key, until it is stopped.

A thread goes on while a cell blocks the kernel, where an asyncio task would stand still. Interrupting a kernel stops
neither, so the registry ends the former follower when a cell runs again.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Protocol


class Stoppable(Protocol):
    def stop(self) -> None: ...


_running: dict[str, Stoppable] = {}


def register(key: str, running: Stoppable) -> None:
    """Ends what went by this key before; `stop_all` will end this."""
    if former := _running.pop(key, None):
        former.stop()
    _running[key] = running


def forget(key: str) -> None:
    """It has ended by itself."""
    _running.pop(key, None)


def stop(key: str) -> None:
    """There is nothing more to follow; what it drew stays."""
    if running := _running.pop(key, None):
        running.stop()


class Follower:
    """Calls `tick` every so many seconds. What `tick` raises ends the thread: it handles what can happen."""

    def __init__(self, key: str, tick: Callable[[], None], every: float) -> None:
        self._tick, self._every, self._stopped = tick, every, threading.Event()
        register(key, self)
        threading.Thread(target=self._run, daemon=True, name=key).start()

    def stop(self) -> None:
        """What it drew stays as it is."""
        self._stopped.set()

    def _run(self) -> None:
        due = time.monotonic()
        while not self._stopped.is_set():
            self._tick()
            due = max(due + self._every, time.monotonic())
            self._stopped.wait(due - time.monotonic())


def stop_all() -> None:
    """Ends every live plot, panel and load of this kernel; what they drew and measured stays."""
    while _running:
        _running.popitem()[1].stop()
