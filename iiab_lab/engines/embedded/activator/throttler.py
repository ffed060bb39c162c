"""A revision's Pods and its limit → who waits, in order, and who runs where.

Knative's rules (pkg/activator/net): at most 10,000 wait; a Pod has at most containerConcurrency requests at a time; without
a limit the less busy of two Pods chosen at random takes the request, with one of at most 3 the first that is free, else each
in turn.
"""

from __future__ import annotations

import asyncio
import random
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field

from ..objects.capacity import Capacity

QUEUE_DEPTH = 10_000
_FIRST_AVAILABLE = 3


class Refused(Exception):
    """No place, or no time left: the message is the body of the 503."""


@dataclass
class Revision:
    capacity: Capacity = field(default_factory=Capacity)
    _waiting: deque[asyncio.Future[str]] = field(default_factory=deque)
    _busy: OrderedDict[str, int] = field(default_factory=OrderedDict)

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def update(self, capacity: Capacity) -> None:
        self.capacity = capacity
        gone = [backend for backend in self._busy if backend not in capacity.backends]
        for backend in gone:
            del self._busy[backend]
        for backend in capacity.backends:
            self._busy.setdefault(backend, 0)
        if capacity.failure:
            self._refuse(capacity.failure)
        self._dispatch()

    async def acquire(self) -> str:
        """→ the Pod's address; raises Refused."""
        if self.capacity.failure and not self._busy:
            raise Refused(self.capacity.failure)
        if len(self._waiting) >= QUEUE_DEPTH:
            raise Refused("pending request queue full")
        place: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._waiting.append(place)
        self._dispatch()
        try:
            async with asyncio.timeout(self.capacity.timeout):
                return await place
        except TimeoutError:
            self._give_back(place)
            raise Refused("context deadline exceeded") from None
        except asyncio.CancelledError:
            self._give_back(place)
            raise

    def release(self, backend: str) -> None:
        if self._busy.get(backend, 0) > 0:
            self._busy[backend] -= 1
        self._dispatch()

    def _give_back(self, place: asyncio.Future[str]) -> None:
        """Whoever goes away takes no place along: not in the queue, nor a Pod's that was given in the same moment."""
        if place in self._waiting:
            self._waiting.remove(place)
        elif place.done() and not place.cancelled() and not place.exception():
            self.release(place.result())

    def _dispatch(self) -> None:
        while self._waiting and (backend := self._free()):
            place = self._waiting.popleft()
            if not place.done():
                self._busy[backend] += 1
                place.set_result(backend)

    def _free(self) -> str | None:
        limit = self.capacity.limit
        free = [backend for backend, busy in self._busy.items() if not limit or busy < limit]
        if not free:
            return None
        if not limit:
            return min(random.sample(free, min(2, len(free))), key=self._busy.__getitem__)
        if limit > _FIRST_AVAILABLE:
            self._busy.move_to_end(free[0])
        return free[0]

    def _refuse(self, why: str) -> None:
        while self._waiting and not self._busy:
            place = self._waiting.popleft()
            if not place.done():
                place.set_exception(Refused(why))


class Throttler:
    """Every revision that was ever named, by `namespace/name`."""

    def __init__(self, made: Callable[[str], None] = lambda _: None) -> None:
        self._revisions: dict[str, Revision] = {}
        self._made = made

    def __getitem__(self, name: str) -> Revision:
        if name not in self._revisions:
            self._revisions[name] = Revision()
            self._made(name)
        return self._revisions[name]

    def forget(self, name: str) -> None:
        revision = self._revisions.pop(name, None)
        if revision:
            revision.update(Capacity(failure=f'revision "{name}" not found'))
