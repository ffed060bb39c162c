"""Controllers → running loops: one watch per kind wakes whoever asked, a few workers per controller do the work."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Hashable, Sequence

from prometheus_client import CollectorRegistry, Counter, Histogram

from ....errors import ApiError
from ..objects.kinds import Key, Kind
from ..objects.meta import Object
from .ports import Client, Clock, Controller, Event, Mapper, Terminal, Watch
from .queue import Queue

log = logging.getLogger(__name__)

# A worker that waits (for a Pod to stop, for an Envoy to take its configuration) holds up no other key.
_WORKERS = 16


class Metrics:
    def __init__(self, registry: CollectorRegistry) -> None:
        self.total = Counter(
            "controller_runtime_reconcile", "Reconciliations.", ["controller", "result"], registry=registry
        )
        self.seconds = Histogram(
            "controller_runtime_reconcile_time_seconds", "How long each took.", ["controller"], registry=registry
        )


class Manager:
    def __init__(self, client: Client, clock: Clock, controllers: Sequence[Controller], metrics: Metrics) -> None:
        self._client, self._clock, self._controllers, self._metrics = client, clock, controllers, metrics
        self._queues = {controller.name: Queue(clock) for controller in controllers}
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        wakes: dict[Kind | None, list[_Waker]] = {}
        for controller in self._controllers:
            queue = self._queues[controller.name]
            for watch in controller.watches:
                wakes.setdefault(watch.kind, []).append(_Waker(queue, watch))
            self._run(*(self._work(controller, queue) for _ in range(_WORKERS)))
            if hasattr(controller, "wakes"):
                self._run(self._hear(controller.wakes(), queue))
        self._run(*(self._follow(kind, wakers) for kind, wakers in wakes.items()))

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for queue in self._queues.values():
            queue.close()

    def _run(self, *loops: Coroutine[None, None, None]) -> None:
        self._tasks += [asyncio.create_task(loop) for loop in loops]

    async def _follow(self, kind: Kind | None, wakers: list[_Waker]) -> None:
        """A watch that was cut off starts again with everything there is: reconciling twice is harmless."""
        while True:
            try:
                async for event in self._client.watch(kind):
                    for waker in wakers:
                        waker.hear(event)
                return
            except ApiError as error:
                log.warning("watch of %s starts again: %s", kind.resource if kind else "everything", error.message)

    async def _hear(self, source: AsyncIterator[Key], queue: Queue) -> None:
        async for key in source:
            queue.add(key)

    async def _work(self, controller: Controller, queue: Queue) -> None:
        while True:
            key = await queue.get()
            failed = await self._reconcile(controller, key, queue)
            queue.done(key, failed=failed)

    async def _reconcile(self, controller: Controller, key: Key, queue: Queue) -> bool:
        began, outcome = self._clock.monotonic(), "success"
        try:
            result = await controller.reconcile(key)
            if result and result.after is not None:
                queue.add_after(key, result.after)
        except Terminal as error:
            outcome = "terminal_error"
            log.error("%s %s: %s", controller.name, key, error)
        except ApiError as error:
            outcome = "error"
            # Two controllers met at one object, or its namespace goes away: trying again is all there is to do.
            level = logging.DEBUG if error.code in (404, 409) else logging.WARNING
            log.log(level, "%s %s: %s", controller.name, key, error.message)
        except Exception:
            outcome = "error"
            log.exception("%s %s", controller.name, key)
        self._metrics.total.labels(controller.name, outcome).inc()
        self._metrics.seconds.labels(controller.name).observe(self._clock.monotonic() - began)
        return outcome == "error"


class _Waker:
    """One watch of one controller."""

    def __init__(self, queue: Queue, watch: Watch) -> None:
        self._queue, self._watch = queue, watch
        self._seen: dict[str, Hashable] = {}  # uid → what the controller regards

    def hear(self, event: Event) -> None:
        if self._watch.regards and not self._is_news(event, self._watch.regards):
            return
        for key in _woken(self._watch.keys, event.object):
            self._queue.add(key)

    def _is_news(self, event: Event, regards: Callable[[Object], Hashable]) -> bool:
        uid, seen = event.object["metadata"]["uid"], regards(event.object)
        if event.type == "DELETED":
            self._seen.pop(uid, None)
            return True
        before, self._seen[uid] = self._seen.get(uid), seen
        return before != seen


def _woken(keys: Mapper, obj: Object) -> Sequence[Key]:
    """One object that a mapper cannot read must not end its watch."""
    try:
        return list(keys(obj))
    except Exception:
        log.exception("what does %s %s wake?", obj.get("kind"), obj["metadata"].get("name"))
        return []
