"""Keys that need work → one at a time per key, later after failures. The semantics of client-go's work queue.

A key that is added while it is worked on is given out again afterwards; a key that is added many times waits once.
"""

from __future__ import annotations

import asyncio
from collections import deque

from ..objects.kinds import Key
from .ports import Clock

_FIRST, _MOST = 0.005, 30.0


class Queue:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ready: deque[Key] = deque()
        self._dirty: set[Key] = set()
        self._working: set[Key] = set()
        self._failures: dict[Key, int] = {}
        self._delayed: dict[Key, tuple[float, asyncio.Task[None]]] = {}
        self._awake = asyncio.Event()

    def add(self, key: Key) -> None:
        if key in self._dirty:
            return
        self._dirty.add(key)
        if key not in self._working:
            self._ready.append(key)
            self._awake.set()

    def add_after(self, key: Key, seconds: float) -> None:
        """The earliest of several wishes counts."""
        due = self._clock.monotonic() + seconds
        if key in self._delayed:
            earlier, task = self._delayed[key]
            if earlier <= due:
                return
            task.cancel()
        self._delayed[key] = (due, asyncio.create_task(self._later(key, due)))

    async def get(self) -> Key:
        while not self._ready:
            self._awake.clear()
            await self._awake.wait()
        key = self._ready.popleft()
        self._dirty.discard(key)
        self._working.add(key)
        return key

    def done(self, key: Key, *, failed: bool = False) -> None:
        self._working.discard(key)
        if failed:
            count = self._failures[key] = self._failures.get(key, 0) + 1
            self.add_after(key, min(_MOST, _FIRST * 2 ** (count - 1)))
        else:
            self._failures.pop(key, None)
        if key in self._dirty:
            self._ready.append(key)
            self._awake.set()

    def close(self) -> None:
        for _, task in self._delayed.values():
            task.cancel()

    async def _later(self, key: Key, due: float) -> None:
        # Time may have passed since it was wished for: a task starts when its turn comes.
        await self._clock.sleep(max(0.0, due - self._clock.monotonic()))
        del self._delayed[key]
        self.add(key)
