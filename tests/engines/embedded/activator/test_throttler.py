"""Who waits, in which order, and who goes where."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iiab_lab.engines.embedded.activator import throttler
from iiab_lab.engines.embedded.activator.counting import Count
from iiab_lab.engines.embedded.activator.throttler import Refused, Revision, Throttler
from iiab_lab.engines.embedded.objects.capacity import Capacity

A, B, C = "127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3"


def in_loop(body: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(body(), 20))


def made(limit: int, *backends: str) -> Revision:
    revision = Revision()
    revision.update(Capacity(limit=limit, backends=backends))
    return revision


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def test_requests_wait_for_the_first_pod_and_go_in_order() -> None:
    async def body() -> None:
        revision, went = made(1), list[int]()

        async def request(number: int) -> None:
            backend = await revision.acquire()
            went.append(number)
            revision.release(backend)

        tasks = [asyncio.create_task(request(number)) for number in range(50)]
        await settled()
        assert revision.waiting == 50 and went == []
        revision.update(Capacity(limit=1, backends=(A,)))
        await asyncio.gather(*tasks)
        assert went == list(range(50))

    in_loop(body)


def test_a_pod_never_has_more_than_its_limit_and_no_place_stays_empty() -> None:
    async def body() -> None:
        revision = made(2, A, B)
        held = [await revision.acquire() for _ in range(4)]
        assert Counter(held) == {A: 2, B: 2}
        fifth = asyncio.create_task(revision.acquire())
        await settled()
        assert not fifth.done()
        revision.release(B)
        assert await fifth == B

    in_loop(body)


def test_policies_by_limit_are_knatives() -> None:
    """Up to 3: the first with room; above: in turn; none: the less busy of two."""

    async def body() -> None:
        first = made(3, A, B, C)
        assert [await first.acquire() for _ in range(4)] == [A, A, A, B]
        turn = made(10, A, B, C)
        assert [await turn.acquire() for _ in range(6)] == [A, B, C, A, B, C]
        free = made(0, A, B)
        assert Counter([await free.acquire() for _ in range(100)]) == {A: 50, B: 50}

    in_loop(body)


def test_who_goes_away_takes_no_place_along() -> None:
    async def body() -> None:
        revision = made(1)
        gone = [asyncio.create_task(revision.acquire()) for _ in range(3)]
        stays = asyncio.create_task(revision.acquire())
        await settled()
        for task in gone[:2]:
            task.cancel()
        await settled()
        # The third is given the place and leaves in the same moment.
        revision.update(Capacity(limit=1, backends=(A,)))
        gone[2].cancel()
        assert await stays == A

    in_loop(body)


def test_a_full_queue_a_late_request_and_a_hopeless_revision_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throttler, "QUEUE_DEPTH", 2)

    async def body() -> None:
        revision = Revision(Capacity(timeout=0.01))
        waiting = [asyncio.create_task(revision.acquire()) for _ in range(2)]
        await settled()
        with pytest.raises(Refused, match="pending request queue full"):
            await revision.acquire()
        for task in waiting:
            with pytest.raises(Refused, match="context deadline exceeded"):
                await task
        hopeless = Revision(Capacity())
        held = asyncio.create_task(hopeless.acquire())
        await settled()
        hopeless.update(Capacity(failure="ExitCode1: no such file"))
        with pytest.raises(Refused, match="ExitCode1: no such file"):
            await held
        with pytest.raises(Refused, match="no such file"):
            await hopeless.acquire()
        hopeless.update(Capacity(backends=(A,)))
        assert await hopeless.acquire() == A

    in_loop(body)


def test_a_forgotten_revision_refuses_who_waits() -> None:
    async def body() -> None:
        known = Throttler()
        waiting = asyncio.create_task(known["here/gone"].acquire())
        await settled()
        known.forget("here/gone")
        with pytest.raises(Refused, match="not found"):
            await waiting

    in_loop(body)


@given(st.lists(st.tuples(st.floats(0, 10), st.floats(0, 5)), min_size=1, max_size=30))
def test_concurrency_is_the_integral_of_what_is_in_flight(spans: list[tuple[float, float]]) -> None:
    count, events = Count(0.0), []
    for begin, seconds in spans:
        events += [(begin, 1), (begin + seconds, -1)]
    for at, by in sorted(events, key=lambda event: (event[0], -event[1])):
        count.begin(at) if by > 0 else count.end(at)
    average, came = count.report(20.0)
    assert came == len(spans) and count.current == 0
    assert average * 20 == pytest.approx(sum(seconds for _, seconds in spans), abs=1e-6)
