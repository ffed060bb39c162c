"""Requests per second, how long one takes and how long a Pod takes to start → what the autoscaler does, second by second.

A closed loop: the Pods it asks for come late and serve what waits. Requests are a fluid, in steps of a tenth of a second:
as many as arrive begin at once while a Pod has room, each stays for its time, the rest waits for whoever is free.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace

from .autoscaler import ACTIVATOR, Autoscaler
from .decider import Decision
from .literals import Seconds
from .metrics import Stat
from .scaler import Seen, reconcile
from .settings import Settings
from .status import FALSE, PROXY, TRUE, Condition

_STEPS = 10  # to a second


@dataclass(frozen=True)
class Workload:
    """`arrivals` per second, one number a second; a `container_concurrency` of 0 has no bound.

    `startup`: seconds from the decision until a Pod takes requests; `replicas`: how many serve at the beginning.
    """

    arrivals: Sequence[float]
    seconds_per_request: Seconds
    startup: Seconds
    container_concurrency: int = 0
    replicas: int = 0


@dataclass(frozen=True)
class Second:
    """What was so in one second: requests served and waiting (means), Pods and the decision at its end.

    `activator`: whether it is in the path at the end.
    """

    arrivals: float
    in_flight: float
    waiting: float
    ready: int
    replicas: int
    desired: int
    stable: float
    panic: float
    panicking: bool
    activator: bool


def simulate(settings: Settings, workload: Workload) -> list[Second]:
    """One `Second` for each number in `workload.arrivals`."""
    revision = _Revision(settings, workload)
    return [revision.second(number, arrivals) for number, arrivals in enumerate(workload.arrivals)]


class _Requests:
    """Those of one revision: waiting, and being served since so many steps."""

    def __init__(self, workload: Workload) -> None:
        steps = workload.seconds_per_request * _STEPS
        whole = math.floor(steps + 1e-9)
        # What began so many steps ago is here still: all of it, or in its last step the part of it that time covers.
        self._here = [1.0] * whole + [max(0.0, steps - whole)]
        self._begun: deque[float] = deque([0.0] * whole, maxlen=whole)
        self._bound = workload.container_concurrency
        self.waiting = 0.0

    def step(self, arrivals: float, pods: int) -> float:
        """How many are being served in this step, as a mean."""
        older = sum(begun * here for begun, here in zip(self._begun, self._here[1:], strict=True))
        room = pods * self._bound - older if self._bound else math.inf if pods else 0.0
        due = self.waiting + arrivals
        begun = min(due, max(0.0, room) / self._here[0])
        # Exactly nothing where all began: a crumb that waits would wake a revision at zero.
        self.waiting = due - begun
        self._begun.appendleft(begun)
        return older + begun * self._here[0]


class _Revision:
    def __init__(self, settings: Settings, workload: Workload) -> None:
        self._workload, self._requests = workload, _Requests(workload)
        count = max(workload.replicas, settings.min_scale)
        self._ready_at, self._ready = [0.0] * count, count
        self._scaler = Autoscaler(settings, 0, 0.0)
        self._scaler.state = replace(
            self._scaler.state, active=Condition(TRUE if count else FALSE), initialized=Condition(TRUE)
        )
        # It has been there for a while: what is there is what was decided.
        stable = count * settings.target
        self._decision = self._scaler.decider.scale(0.0, count, stable, stable, True)
        self._look_at, self._told = 0.0, 0.0

    def second(self, number: int, arrivals: float) -> Second:
        served = waiting = 0.0
        for step in range(1, _STEPS + 1):
            now = number + step / _STEPS
            served += self._requests.step(arrivals / _STEPS, self._ready) / _STEPS
            waiting += self._requests.waiting / _STEPS
            self._poke(now)
            if step == _STEPS:
                self._report(now, arrivals, served + waiting)
            self._advance(now)
        state, decision = self._scaler.state, self._decision
        return Second(
            arrivals,
            served,
            waiting,
            self._ready,
            len(self._ready_at),
            decision.desired,
            decision.stable,
            decision.panic,
            decision.panicking,
            state.mode == PROXY or not self._ready,
        )

    def _poke(self, now: Seconds) -> None:
        """The activator tells at once of the first request to a revision at zero, and not of it again with the rest."""
        first = min(1.0, self._requests.waiting)
        stat = Stat(ACTIVATOR, first, requests=first)
        if not self._ready and first and self._scaler.decider.is_poked_by(stat) and not self._told:
            self._scaler.hear(now, [stat], 0)
            self._told = first

    def _report(self, now: Seconds, arrivals: float, here: float) -> None:
        """The second's stats: the Pods', or the activator's where there is none and something waits."""
        concurrency, requests = max(0.0, here - self._told), max(0.0, arrivals - self._told)
        self._told = 0.0
        if self._ready or concurrency:
            self._scaler.collector.record(now, Stat(ACTIVATOR, concurrency, requests=requests))

    def _advance(self, now: Seconds) -> None:
        ready = sum(at <= now for at in self._ready_at)
        decision: Decision | None = self._scaler.tick(now, ready, True)
        if decision or ready != self._ready or now >= self._look_at:
            self._ready, self._decision = ready, decision or self._decision
            self._look(now)

    def _look(self, now: Seconds) -> None:
        seen = Seen(now, self._ready, len(self._ready_at), activator_answers=True)
        outcome = reconcile(self._scaler.settings, self._scaler.decider.decision, self._scaler.state, seen)
        self._scaler.state = outcome.state
        self._look_at = math.inf if outcome.after is None else now + outcome.after
        if outcome.replicas is not None:
            # The youngest go first: those that are not ready yet, then the latest that became so.
            more = [now + self._workload.startup] * (outcome.replicas - len(self._ready_at))
            self._ready_at = [*self._ready_at, *more][: outcome.replicas]
            self._ready = sum(at <= now for at in self._ready_at)
