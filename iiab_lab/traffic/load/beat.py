"""Phases → calls into an event loop at the moments they fall due, from a thread that does nothing but wait.

A loop's own timers are as coarse as a millisecond (epoll's), which would sit in every latency; a waiting thread is woken
within a tenth of it, and costs a hundredth of a core at a hundred requests a second.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Protocol

from .phases import Phase, starts

_CROWD = 256  # due moments that one wake-up hands over at most: a thread that lags must not hold the loop


class Band(Protocol):
    """Who moves to the beat; called on the loop. Moments are on the clock of `time.perf_counter`."""

    def due(self, phase: int, moments: list[float]) -> None: ...
    def users(self, phase: int, count: int, until: float) -> None: ...
    def over(self) -> None: ...


class Beat:
    """Plays `phases` to `band` from the moment `began`; `stop` ends it at once, with `over` as the last call."""

    def __init__(self, phases: Sequence[Phase], began: float, band: Band) -> None:
        self._phases, self._began, self._band = phases, began, band
        self._loop, self._stopped = asyncio.get_running_loop(), threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name="beat")
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()

    def _run(self) -> None:
        edges = starts(self._phases)
        for index, phase in enumerate(self._phases):
            begins, ends = self._began + edges[index], self._began + edges[index + 1]
            if phase.concurrency and self._wait(begins):
                self._call(self._band.users, index, phase.concurrency, ends)
            elif not phase.concurrency:
                self._open(index, (begins + second for second in phase.times()))
            if not self._wait(ends):
                break
        self._call(self._band.over)

    def _open(self, index: int, moments: Iterator[float]) -> None:
        """What falls due in one wake-up is handed over together."""
        crowd: list[float] = []
        for moment in moments:
            if crowd and (moment > time.perf_counter() or len(crowd) == _CROWD):
                self._call(self._band.due, index, crowd)
                crowd = []
            if not crowd and not self._wait(moment):
                return
            crowd.append(moment)
        if crowd:
            self._call(self._band.due, index, crowd)

    def _wait(self, moment: float) -> bool:
        """False where it was stopped meanwhile."""
        return not self._stopped.wait(max(0.0, moment - time.perf_counter()))

    def _call(self, *call: object) -> None:
        self._loop.call_soon_threadsafe(*call)  # type: ignore[arg-type]
