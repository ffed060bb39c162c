"""All controllers on a real store, with time that only moves when told, a machine that only records, and such proxies."""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import itertools
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import yaml
from prometheus_client import CollectorRegistry

from iiab_lab.assets import manifests
from iiab_lab.engines.embedded.envoy.snapshot import Snapshot
from iiab_lab.engines.embedded.objects.capacity import Capacity
from iiab_lab.engines.embedded.objects.kinds import POD, Key, Kind
from iiab_lab.engines.embedded.objects.meta import Object
from iiab_lab.engines.embedded.objects.sandbox import Container, Sandbox, State, UnknownImage, Usage
from iiab_lab.engines.embedded.processes.images import IMAGES, repository
from iiab_lab.engines.embedded.reconcile.local_client import LocalClient
from iiab_lab.engines.embedded.reconcile.manager import Manager, Metrics
from iiab_lab.engines.embedded.reconcile.ports import Applied, Measured, Rejected
from iiab_lab.engines.embedded.rules.autoscaling.autoscaler import ACTIVATOR
from iiab_lab.engines.embedded.rules.autoscaling.decider import Decision
from iiab_lab.engines.embedded.rules.autoscaling.metrics import Stat
from iiab_lab.engines.embedded.rules.autoscaling.settings import Settings
from iiab_lab.engines.embedded.store.admission.plugins import GENERAL, PLUGINS
from iiab_lab.engines.embedded.store.registry import Registry
from iiab_lab.engines.embedded.store.store import Store
from iiab_lab.engines.embedded.wiring import controllers
from iiab_lab.kube import documents

_START = 1_800_000_000.0
_PATIENCE = 10.0
_PORTS = {"gateway": 1, "gateway_tls": 2, "prometheus": 3, "kubernetes": 4}


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
        self.exits: dict[str, int] = {}
        self.unready: set[str] = set()
        self.dead: set[str] = set()
        self.started: list[tuple[str, str, int]] = []  # (Pod, container, attempt)
        self.specs: dict[tuple[str, str], Container] = {}
        self.load = (0.0, 2**20)  # of every container: cores, bytes
        self.measured = True

    async def prepare(self, sandbox: Sandbox) -> Mapping[int, int]:
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


class World:
    def __init__(self, store: Store) -> None:
        self.store, self.client, self.clock = store, LocalClient(store), SteppedClock()
        self.machine, self.proxy = RecordingMachine(self.clock), RecordingProxy()
        self.load, self.ticks = RecordedLoad(), Ticks()

    def get(self, kind: Kind, name: str, namespace: str = "here") -> Object | None:
        return self.client.get(kind, Key(namespace if kind.namespaced else "", name))

    def names(self, kind: Kind, namespace: str | None = "here") -> list[str]:
        return sorted(obj["metadata"]["name"] for obj in self.client.list(kind, namespace))

    def pods(self, namespace: str = "here") -> list[Object]:
        return self.client.list(POD, namespace)

    async def apply(self, text: str | Iterable[Object]) -> None:
        for obj in yaml.safe_load_all(text) if isinstance(text, str) else text:
            await self.client.apply(obj)

    async def until(self, holds: Callable[[], Any], told: Callable[[], Any] | None = None) -> Any:
        """Lets controllers work until it holds. Real time passes, the clock's does not."""
        deadline = time.monotonic() + _PATIENCE
        while not (seen := holds()):
            assert time.monotonic() < deadline, f"still not so: {told() if told else seen!r}"
            await asyncio.sleep(0.002)
        return seen

    async def passes(self, seconds: float, holds: Callable[[], Any], step: float = 1.0) -> float:
        """Moves the clock in steps until it holds → how many seconds that took."""
        for count in range(int(seconds / step) + 1):
            with contextlib.suppress(TimeoutError):  # a busy machine: the condition alone decides
                await asyncio.wait_for(self.quiet(), 1)
            if holds():
                return count * step
            self.clock.advance(step)
        raise AssertionError(f"not within {seconds} s")

    async def quiet(self) -> None:
        """Until nothing was written for a moment."""
        before = -1
        while before != (before := self.store.revision):
            await asyncio.sleep(0.05)


@contextlib.asynccontextmanager
async def world(folder: Path, *chapters: str) -> AsyncIterator[World]:
    """A running control plane with Namespace `here`, and the manifests of these folders applied."""
    store = await Store.open(folder / "store.db", Registry.load(), PLUGINS, GENERAL)
    made = World(store)
    credentials = SimpleNamespace(ca_pem="PEM", sign_client=lambda request, seconds: b"PEM")
    all_of_them = controllers(
        made.client,
        made.machine,
        made.proxy,
        made.load,
        made.ticks,
        made.clock,
        lambda *_: {"token": b"t"},
        credentials,
        _PORTS,
    )
    manager = Manager(made.client, made.clock, all_of_them, Metrics(CollectorRegistry()))
    manager.start()
    try:
        await made.apply("{apiVersion: v1, kind: Namespace, metadata: {name: here}}")
        for chapter in chapters:
            await made.apply(obj for _, obj in documents(manifests() / chapter))
        yield made
    finally:
        await manager.stop()
        await store.close()


def condition(obj: Object | None, type_: str) -> tuple[str, str]:
    """(status, reason)"""
    found = ((obj or {}).get("status") or {}).get("conditions") or []
    return next(((c["status"], c.get("reason", "")) for c in found if c["type"] == type_), ("", ""))


def in_world(*chapters: str):  # type: ignore[no-untyped-def]
    """Runs an async test `(w: World)` in a world of its own."""

    def decorate(test):  # type: ignore[no-untyped-def]
        def run(tmp_path: Path) -> None:
            async def body() -> None:
                async with world(tmp_path, *chapters) as made:
                    await test(made)

            asyncio.run(body())

        run.__name__, run.__doc__ = test.__name__, test.__doc__
        return run

    return decorate
