"""A key that is wanted later comes when it is due, however late the loop gets to it."""

from __future__ import annotations

import asyncio

from iiab_lab.engines.embedded.objects.kinds import Key
from iiab_lab.engines.embedded.reconcile.queue import Queue

from ..controllers.doubles import SteppedClock

KEY = Key("here", "iris")


def test_time_that_passes_before_the_loop_turns_counts() -> None:
    async def body() -> None:
        clock = SteppedClock()
        queue = Queue(clock)
        queue.add_after(KEY, 12.0)
        clock.advance(11.0)
        await asyncio.sleep(0)  # only now it begins to wait
        clock.advance(1.0)
        assert await asyncio.wait_for(queue.get(), 5) == KEY

    asyncio.run(body())


def test_the_earliest_of_several_wishes_counts() -> None:
    async def body() -> None:
        clock = SteppedClock()
        queue = Queue(clock)
        for seconds in (30.0, 5.0, 20.0):
            queue.add_after(KEY, seconds)
        await asyncio.sleep(0)
        clock.advance(5.0)
        assert await asyncio.wait_for(queue.get(), 5) == KEY
        queue.done(KEY)
        clock.advance(60.0)
        await asyncio.sleep(0)
        queue.add(KEY)
        assert await queue.get() == KEY and not queue._ready

    asyncio.run(body())
