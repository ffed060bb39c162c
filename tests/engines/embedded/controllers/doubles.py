"""In the place of the ports: time that only moves when told, a machine and proxies that only record, load as it is told."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any

from iiab_lab.engines.embedded.envoy.snapshot import Snapshot
from iiab_lab.engines.embedded.objects.capacity import Capacity
from iiab_lab.engines.embedded.objects.kinds import Key
from iiab_lab.engines.embedded.objects.sandbox import Container, Sandbox, State, UnknownImage, Usage
from iiab_lab.engines.embedded.processes.images import IMAGES, repository
from iiab_lab.engines.embedded.reconcile.ports import Applied, Measured, Rejected
from iiab_lab.engines.embedded.rules.autoscaling.autoscaler import ACTIVATOR
from iiab_lab.engines.embedded.rules.autoscaling.decider import Decision
from iiab_lab.engines.embedded.rules.autoscaling.metrics import Stat
from iiab_lab.engines.embedded.rules.autoscaling.settings import Settings

_START = 1_800_000_000.0


class SteppedClock:
    def __init__(self) -> None:
        self._now, self._order = _START, itertools.count()
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []

    def now(self) -> float:
        return self._now

    monotonic = now

    async def sleep(self, seconds: float) -> None:
        waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._now + max(0.0, seconds), next(self._order), waiting))
        if seconds <= 0:
            self.advance(0)
        await waiting

    def advance(self, seconds: float) -> None:
        self._now += seconds
        while self._sleepers and self._sleepers[0][0] <= self._now:
            waiting = heapq.heappop(self._sleepers)[2]
            if not waiting.done():
                waiting.set_result(None)


class RecordingMachine:
    """Starts nothing: a container runs from `start` until `end`. Those in `exits` end at once, with that code."""

    def __init__(self, clock: SteppedClock) -> None:
        self._clock, self._ports = clock, itertools.count(40000)
        self._states: dict[tuple[str, str], State] = {}
        self._changed: asyncio.Queue[str] = asyncio.Queue()
        self._given: dict[str, dict[int, int]] = {}
        self.prepared: dict[str, Sandbox] = {}
        self.exits: dict[str, int] = {}
        self.unready: set[str] = set()
        self.dead: set[str] = set()
        self.started: list[tuple[str, str, int]] = []  # (Pod, container, attempt)
        self.specs: dict[tuple[str, str], Container] = {}
        self.load = (0.0, 2**20)  # of every container: cores, bytes
        self.measured = True
        self.forgotten: list[str] = []

    async def prepare(self, sandbox: Sandbox) -> Mapping[int, int]:
        self.prepared[sandbox.key.name] = sandbox
        given = self._given.setdefault(sandbox.uid, {})
        for port in sandbox.ports:
            given.setdefault(port, next(self._ports))
        return given

    async def start(self, sandbox: Sandbox, container: Container) -> None:
        if repository(container.image) not in IMAGES:
            raise UnknownImage(f"no program stands for {container.image}; there are: {', '.join(IMAGES)}")
        self.started.append((sandbox.key.name, container.name, container.attempt))
        self.specs[sandbox.key.name, container.name] = container
        self._states[sandbox.uid, container.name] = State(container.attempt, 100, self._clock.now())
        if container.name in self.exits:
            self.end(sandbox.uid, container.name, self.exits[container.name])

    def end(self, uid: str, container: str, code: int, message: str = "last words") -> None:
        known = self._states[uid, container]
        self._states[uid, container] = State(
            known.attempt, known.pid, known.started, code, 0, self._clock.now(), message if code else ""
        )
        self._changed.put_nowait(uid)

    async def stop(self, uid: str, container: str = "", grace: float = 30.0) -> None:
        for owner, name in list(self._states):
            if owner == uid and container in ("", name):
                self.end(uid, name, 143) if container else self._states.pop((owner, name))
        self._changed.put_nowait(uid)

    def state(self, uid: str, container: str) -> State | None:
        return self._states.get((uid, container))

    async def probe(self, uid: str, container: str, probe: Mapping[str, Any]) -> str:
        return "probe failed: no answer" if container in self.unready | self.dead else ""

    def usage(self, uid: str) -> Mapping[str, Usage]:
        cores, memory = self.load
        running = [name for (owner, name), state in self._states.items() if owner == uid and state.exit_code is None]
        return {name: Usage(self._clock.now(), 15.0, cores, memory) for name in running} if self.measured else {}

    async def forget(self, namespace: str) -> None:
        self.forgotten.append(namespace)

    async def changes(self) -> AsyncIterator[str]:
        while True:
            yield await self._changed.get()

    def running(self) -> int:
        return sum(state.exit_code is None for state in self._states.values())


class RecordingProxy:
    """Takes every configuration, but those that hold a word of `refuses`."""

    def __init__(self) -> None:
        self.given: dict[Key, list[Snapshot]] = {}
        self.refuses: set[str] = set()

    async def apply(self, pod: Key, desired: Snapshot) -> Applied | Rejected:
        if why := await self.check(desired):
            return Rejected("", why)
        known = self.given.setdefault(pod, [])
        if not known or known[-1] != desired:
            known.append(desired)
        return Applied()

    async def check(self, candidate: Snapshot) -> str:
        return next((f"refuses {word}" for word in self.refuses if word in repr(candidate)), "")

    def app_socket(self, pod: Key, port: int) -> str:
        return f"/run/{pod.name}.{port}"

    def remove(self, pod: Key) -> None:
        self.given.pop(pod, None)


class RecordedLoad:
    """Says what a test tells it to, and remembers what the activator would know."""

    def __init__(self) -> None:
        self.capacities: dict[Key, Capacity] = {}
        self.pods: dict[Key, list[Key]] = {}
        self._told: asyncio.Queue[Measured] = asyncio.Queue()

    def follow(self, revision: Key, pods: Iterable[Key], capacity: Capacity) -> None:
        self.pods[revision], self.capacities[revision] = list(pods), capacity

    def forget(self, revision: Key) -> None:
        self.pods.pop(revision, None)
        self.capacities.pop(revision, None)

    def hold_at(self, pod: Key, uid: str) -> None: ...

    def tell(self, revision: Key, at: float, *stats: Stat) -> None:
        self._told.put_nowait(Measured(revision, at, stats, sum(stat.pod != ACTIVATOR for stat in stats)))

    async def measured(self) -> AsyncIterator[Measured]:
        while True:
            yield await self._told.get()


class Ticks:
    """The `Journal`, in memory."""

    def __init__(self) -> None:
        self.decisions: list[tuple[Key, Decision]] = []

    def began(self, revision: Key, at: float, ready: int, settings: Settings) -> None: ...

    def changed(self, revision: Key, at: float, settings: Settings) -> None: ...

    def heard(self, measured: Measured) -> None: ...

    def ticked(self, revision: Key, at: float, ready: int, reachable: bool, decision: Decision) -> None:
        self.decisions.append((revision, decision))

    def counted(self, revision: Key, labels: Mapping[str, str], pods: Mapping[str, int]) -> None: ...

    def forgot(self, revision: Key) -> None: ...
