"""The `Load` port: the gauges of each sidecar twenty times a second, and the activator's own reports → Measured, once a second.

A Pod's concurrency is the mean of what its proxy had in hand at each look, weighted by the time between them.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from ..objects.capacity import Capacity
from ..objects.kinds import Key
from ..reconcile.ports import Measured
from ..rules.autoscaling.autoscaler import ACTIVATOR
from ..rules.autoscaling.metrics import Stat
from .envoy_gauges import Gauges
from .queue_metrics import QueueMetrics
from .rundir import admin_socket

log = logging.getLogger(__name__)

_LOOK, _SECOND, _AGAIN = 0.05, 1.0, 0.05
_CONTROL = 8013

Dial = Callable[[Key, str, int], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]


@dataclass
class _Revision:
    capacity: Capacity
    pods: dict[Key, Gauges] = field(default_factory=dict)
    heard: list[Stat] = field(default_factory=list)


_NOBODY = _Revision(Capacity())


class MeasuredLoad:
    def __init__(self, run: Path, dial: Dial, queues: QueueMetrics, clock: Callable[[], float] = time.time) -> None:
        self._run, self._dial, self._queues, self._clock = run, dial, queues, clock
        self._revisions: dict[Key, _Revision] = {}
        self._told: asyncio.Queue[Measured] = asyncio.Queue()
        self._activator: tuple[Key, str] | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._tasks: list[asyncio.Task[None]] = []

    def __enter__(self) -> MeasuredLoad:
        self._tasks = [asyncio.create_task(loop) for loop in (self._look(), self._sum_up(), self._listen())]
        return self

    def __exit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()

    def follow(self, revision: Key, pods: Iterable[Key], capacity: Capacity) -> None:
        known, pods = self._revisions.setdefault(revision, _Revision(Capacity(timeout=0))), set(pods)
        for pod in known.pods.keys() - pods:
            known.pods.pop(pod).close()
            self._queues.forgot(pod)
        for pod in pods:
            known.pods.setdefault(pod, Gauges(admin_socket(self._run, pod)))
        if known.capacity != capacity:
            known.capacity = capacity
            self._tell(revision, asdict(capacity))

    def forget(self, revision: Key) -> None:
        known = self._revisions.pop(revision, None)
        if known:
            for pod, gauges in known.pods.items():
                gauges.close()
                self._queues.forgot(pod)
            self._tell(revision, {"gone": True})

    def hold_at(self, pod: Key, uid: str) -> None:
        if self._activator != (pod, uid):
            self._activator = (pod, uid)
            if self._writer:
                self._writer.close()

    async def measured(self) -> AsyncIterator[Measured]:
        while True:
            yield await self._told.get()

    async def _look(self) -> None:
        while True:
            began = time.monotonic()
            looks = [gauges.look() for known in self._revisions.values() for gauges in known.pods.values()]
            await asyncio.gather(*looks)
            await asyncio.sleep(max(0.001, _LOOK - (time.monotonic() - began)))

    async def _sum_up(self) -> None:
        """At the beginning of each second of the clock: the autoscaler's windows count by those, and a window may be one second."""
        while True:
            await asyncio.sleep(_SECOND - self._clock() % _SECOND)
            for revision, known in self._revisions.items():
                stats = [gauges.report(pod.name) for pod, gauges in known.pods.items()]
                heard, known.heard = known.heard, []
                self._told.put_nowait(Measured(revision, self._clock(), (*(s for s in stats if s), *heard), len(stats)))
            followed = [
                (name, pod, gauges) for name, known in self._revisions.items() for pod, gauges in known.pods.items()
            ]
            for revision, pod, gauges in followed:
                text = await gauges.durations()
                if pod in self._revisions.get(revision, _NOBODY).pods:
                    self._queues.told(revision, pod, text, gauges.waiting)

    async def _listen(self) -> None:
        """The activator's connection, whenever there is one; a new activator is told everything."""
        while True:
            with contextlib.suppress(OSError):
                if self._activator:
                    reader, self._writer = await self._dial(*self._activator, _CONTROL)
                    for revision, known in self._revisions.items():
                        self._tell(revision, asdict(known.capacity))
                    while line := await reader.readline():
                        self._hear(json.loads(line))
            self._writer = None
            await asyncio.sleep(_AGAIN)

    def _hear(self, said: dict[str, list[dict[str, float]]]) -> None:
        for one in said["stats"]:
            namespace, _, name = str(one.pop("revision")).partition("/")
            revision, first = Key(namespace, name), bool(one.pop("first"))
            stat = Stat(
                ACTIVATOR,
                one["concurrency"],
                one["proxied_concurrency"],
                one["requests"],
                one["proxied_requests"],
            )
            if known := self._revisions.get(revision):
                if first:
                    self._told.put_nowait(Measured(revision, self._clock(), (stat,)))
                else:
                    known.heard.append(stat)

    def _tell(self, revision: Key, said: dict[str, object]) -> None:
        if self._writer:
            self._writer.write(json.dumps({"revision": str(revision)} | said).encode() + b"\n")
