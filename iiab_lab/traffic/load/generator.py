"""Moments at which requests fall due → requests on the wire → one record of each, whatever became of it.

Safe from coordinated omission: latency and patience count from the moment a request was due, so a server that stalls, and a
generator that lags, show in every request they delay, also in those that were never sent.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Sequence

from .ask import Answer
from .beat import Beat
from .bounds import Bounds
from .phases import Phase
from .wire import BOUND, DONE, STOPPED, UNSENT, Outbox, Record

_GRACE = 1.0  # seconds for what is in flight when a run is stopped
_PAUSE = 0.1  # of a closed loop's user who got no answer: a port that refuses must not spin a core


class Generator:
    """The band of a Beat. `done` is set when the last request has its record; `ended` says why there are no more."""

    def __init__(self, ask: Callable[[float], Awaitable[Answer]], bounds: Bounds) -> None:
        self._ask, self._bounds, self._left, self._began = ask, bounds, bounds.requests, 0.0
        self._backlog: deque[tuple[int, float, float]] = deque()  # phase, due, reached
        self._tasks: set[asyncio.Task[object]] = set()
        self._beat: Beat | None = None
        self.outbox, self.in_flight, self.ended, self.done = Outbox(), 0, "", asyncio.Event()

    @property
    def waiting(self) -> int:
        """Requests that are due and wait for a free connection."""
        return len(self._backlog)

    def play(self, phases: Sequence[Phase], began: float) -> None:
        self._began, self._beat = began, Beat(phases, began, self)

    def stop(self) -> None:
        """Nothing more is sent; what is in flight has a moment to come back."""
        self._end(STOPPED)
        while self._backlog:
            phase, due, _ = self._backlog.popleft()
            self._unsent(phase, due, STOPPED)
        asyncio.get_running_loop().call_later(_GRACE, self._abandon)

    # What the beat calls

    def due(self, phase: int, moments: list[float]) -> None:
        reached = time.perf_counter()
        for moment in moments:
            if not self._admitted():
                break
            if self._backlog or self.in_flight >= self._bounds.connections:
                self._backlog.append((phase, moment, reached))
            else:
                self._send(phase, moment, 0.0)

    def users(self, phase: int, count: int, until: float) -> None:
        for _ in range(count):
            self._start(self._user(phase, until))

    def over(self) -> None:
        self._beat = None
        self._settle()

    # One request

    def _send(self, phase: int, due: float, held: float) -> None:
        self.in_flight += 1
        self._start(self._exchange(phase, due, held))

    async def _user(self, phase: int, until: float) -> None:
        while (ready := time.perf_counter()) < until and self._admitted():
            self.in_flight += 1
            if not await self._exchange(phase, ready, 0.0):
                await asyncio.sleep(_PAUSE)

    async def _exchange(self, phase: int, due: float, held: float) -> int:
        sent = time.perf_counter()
        try:
            answer = await self._ask(due + self._bounds.timeout - sent)
        except asyncio.CancelledError:  # by _abandon alone, and it has a record like any other
            answer = Answer(0, STOPPED)
        self.in_flight -= 1
        self._record(phase, due, sent - due, held, answer)
        self._send_backlog()
        return answer.status

    def _send_backlog(self) -> None:
        while self._backlog and self.in_flight < self._bounds.connections:
            phase, due, reached = self._backlog.popleft()
            now = time.perf_counter()
            if now < due + self._bounds.timeout:
                self._send(phase, due, now - reached)
            else:
                self._unsent(phase, due, UNSENT)

    def _unsent(self, phase: int, due: float, why: str) -> None:
        waited = time.perf_counter() - due
        self._record(phase, due, waited, waited, Answer(0, why))

    def _record(self, phase: int, due: float, lateness: float, held: float, answer: Answer) -> None:
        said = (("errors", answer.error), ("revisions", answer.revision), ("answers", answer.said))
        error, revision, text = (self.outbox.word(kind, word) for kind, word in said)
        latency = time.perf_counter() - due
        times = due - self._began, lateness, held, latency
        self.outbox.add(Record(*times, answer.status, error, revision, phase, answer.asked, text))

    # How it ends

    def _admitted(self) -> bool:
        """Whether one more request may be; counts it."""
        if not self._left:
            self._end(BOUND)
        self._left -= not self.ended
        return not self.ended

    def _end(self, why: str) -> None:
        self.ended = self.ended or why
        if self._beat:
            self._beat.stop()

    def _start(self, work: Coroutine[None, None, object]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[object]) -> None:
        self._tasks.discard(task)
        self._settle()

    def _settle(self) -> None:
        if not self._tasks and not self._backlog and self._beat is None:
            self.ended = self.ended or DONE
            self.done.set()

    def _abandon(self) -> None:
        for task in self._tasks:
            task.cancel()
