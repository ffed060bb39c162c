"""Starts claimed from a warm parent: each is a process like any other, and none depends on the parent's life."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import sys
from pathlib import Path

import psutil
import pytest

from iiab_lab.engines.embedded.objects.sandbox import StartFailed
from iiab_lab.engines.embedded.processes import images
from iiab_lab.engines.embedded.processes.spawner import Warm
from iiab_lab.engines.embedded.processes.supervisor import Command

from .house import BASE, GUEST, House, house, until


def test_a_claimed_process_is_what_an_executed_one_would_be(tmp_path: Path) -> None:
    async def body() -> None:
        async with house(tmp_path) as it:
            it.keep(GUEST)
            more = {"MODEL": "iris", "TMPDIR": str(tmp_path)}
            await it.start("warm", "7", "--x=y", **more)
            argv = (sys.executable, "-m", GUEST, "7", "--x=y")
            await it.supervisor.start("cold", Command(argv, BASE | more, tmp_path, it.log("cold")))
            warm, cold = await it.world("warm"), await it.world("cold")
            await until(lambda: len(it.ends) == 2)
            assert it.ends == {"warm": (7, 0), "cold": (7, 0)}
        assert (warm.pop("forked"), cold.pop("forked")) == (True, False)
        assert warm.pop("chance") != cold.pop("chance")
        logs = [str(it.log(name)) for name in ("warm", "cold")]
        assert [world.pop("descriptors") for world in (warm, cold)] == [["/dev/null", log, log] for log in logs]
        assert warm == cold
        assert warm["leads"] and warm["title"][2:] == [GUEST, "7", "--x=y"] and warm["scratch"] == str(tmp_path)

    asyncio.run(body())


def test_signals_reach_it_and_its_end_is_told(tmp_path: Path) -> None:
    async def body() -> None:
        async with house(tmp_path) as it:
            it.keep(GUEST)
            assert await it.forked("a", "wait")
            it.supervisor.signal("a", signal.SIGTERM)
            await until(lambda: it.ends)
            assert it.ends == {"a": (143, 15)}

    asyncio.run(body())


def test_many_at_once_are_all_forked_and_each_is_somebody_else(tmp_path: Path) -> None:
    async def body() -> None:
        async with house(tmp_path) as it:
            it.keep(GUEST)
            pids = await asyncio.gather(*(it.start(str(number), "wait") for number in range(10)))
            worlds = [await it.world(str(number)) for number in range(10)]
            assert len(set(pids)) == len({world["chance"] for world in worlds}) == 10
            assert all(world["forked"] for world in worlds)
            recorded = {pid for pid, _ in json.loads((tmp_path / "run" / "processes.json").read_text())}
            assert recorded >= set(pids)

    asyncio.run(body())


def test_kill_9_of_the_parent_harms_nobody_and_it_is_back(tmp_path: Path) -> None:
    async def body() -> None:
        async with house(tmp_path) as it:
            it.keep(GUEST)
            assert await it.forked("before", "wait")
            parent, *spares = await until(lambda: len(found := it.warm()) == 5 and found)
            parent.kill()
            await it.start("meanwhile")
            await it.world("meanwhile")
            await until(lambda: not any(process.is_running() for process in (parent, *spares)))
            await until(lambda: len(it.warm()) == 5)
            assert await it.forked("after")
            await until(lambda: len(it.ends) == 2)
            assert it.ends == {"meanwhile": (0, 0), "after": (0, 0)}

    asyncio.run(body())


def test_kill_9_of_the_spare_costs_nothing_but_its_parent(tmp_path: Path) -> None:
    async def body() -> None:
        async with house(tmp_path) as it:
            it.keep(GUEST)
            assert await it.forked("before", "wait")
            parent, spare, *_ = await until(lambda: len(found := it.warm()) == 5 and found)
            spare.kill()
            await it.start("meanwhile")
            await it.world("meanwhile")
            await until(lambda: len(found := it.warm()) == 5 and parent not in found)
            assert await it.forked("after") and "before" not in it.ends

    asyncio.run(body())


@pytest.mark.parametrize("how", ["close", "spawner"])
def test_nothing_is_left(tmp_path: Path, how: str) -> None:
    async def body() -> list[psutil.Process]:
        it = House(tmp_path)
        await it.supervisor.open()
        it.keep(GUEST)
        assert await it.forked("a", "wait")
        await until(lambda: len(it.warm()) == 5)
        family = it.family()
        assert len(family) == 7
        if how == "spawner":
            it.spawner.kill()
            async with asyncio.timeout(20):
                await it.supervisor.lost.wait()
        else:
            await it.supervisor.close()
        return family

    assert not psutil.wait_procs(asyncio.run(body()), timeout=20)[1]


@pytest.mark.parametrize("difference", [{"OMP_NUM_THREADS": "2"}, {"PYTHONHASHSEED": "1"}, "unsuitable"])
def test_what_was_decided_at_import_is_decided_anew(tmp_path: Path, difference: dict[str, str] | str) -> None:
    async def body() -> None:
        arguments, more = ((difference,), {}) if isinstance(difference, str) else ((), difference)
        async with house(tmp_path) as it:
            it.keep(GUEST)
            assert not await it.forked("a", *arguments, **more)
            world = await it.world("a")
            assert world["argv"] == list(arguments) and world["environment"].items() >= more.items()
            assert world["descriptors"] == ["/dev/null", str(it.log("a")), str(it.log("a"))]
            await until(lambda: it.ends)
            assert it.ends == {"a": (0, 0)}
            assert await it.forked("b")

    asyncio.run(body())


def test_a_program_that_the_parent_does_not_know_is_executed(tmp_path: Path) -> None:
    async def body() -> None:
        async with house(tmp_path) as it:
            it.keep("iiab_lab.runtimes.storage")
            assert not await it.forked("a")
            await it.start("b", f"{tmp_path}/none", str(tmp_path / "to"), module="iiab_lab.runtimes.storage")
            await until(lambda: "b" in it.ends)
            assert it.ends["b"] == (1, 0) and "there is no 'none'" in it.log("b").read_text()

    asyncio.run(body())


def test_a_parent_with_a_thread_says_so_and_does_not_fork(tmp_path: Path) -> None:
    async def body() -> None:
        async with house(tmp_path) as it:
            it.keep(GUEST, GUEST_THREAD="1")
            assert not await it.forked("a")
            await until(lambda: it.ends)
            assert it.ends == {"a": (0, 0)}
        assert "2 threads run, so it does not fork." in (tmp_path / "parent.log").read_text()

    asyncio.run(body())


def test_a_parent_that_cannot_start_is_no_obstacle(tmp_path: Path) -> None:
    async def body() -> None:
        async with house(tmp_path) as it:
            it.keep("no_such_module")
            assert not await it.forked("a") and not await it.forked("b")
        assert (tmp_path / "parent.log").read_text().count("No module named 'no_such_module'") == 1

    asyncio.run(body())


def test_a_place_that_is_not_there_is_a_failed_start(tmp_path: Path) -> None:
    async def body() -> None:
        async with house(tmp_path) as it:
            it.keep(GUEST)
            lost = Command((sys.executable, "-m", GUEST), BASE, tmp_path / "none", it.log("a"), "w")
            with pytest.raises(StartFailed, match="No such file"):
                await it.supervisor.start("a", lost)
            assert await it.forked("b") and "a" not in it.ends

    asyncio.run(body())


def test_where_forking_is_unsafe_the_spare_itself_serves_and_the_next_is_started(tmp_path: Path) -> None:
    async def body() -> None:
        async with house(tmp_path) as it:
            it.keep("--once", GUEST, most=1)
            spare = await until(lambda: next(iter(it.warm()), None))
            assert await it.start("a", "wait") == spare.pid
            assert (await it.world("a"))["forked"]
            following = await until(lambda: next(iter(it.warm()), None))
            assert following.pid != spare.pid
            pids = await asyncio.gather(it.start("b", "wait"), it.start("c", "wait"))
            assert following.pid in pids and [(await it.world(id))["forked"] for id in "bc"] == [True, False]
            it.supervisor.signal("a", signal.SIGTERM)
            await until(lambda: it.ends)
            assert it.ends == {"a": (143, 15)}
            family = it.family()
        assert not psutil.wait_procs(family, timeout=20)[1]

    asyncio.run(body())


def test_a_parent_of_no_use_comes_back_after_longer_and_longer_pauses() -> None:
    warm = Warm({"most": 1})

    def pause(said: bytes = b"") -> int:
        ours, theirs = socket.socketpair()
        with theirs:
            theirs.sendall(said)
        warm.opened(ours, 0)
        while warm.answers() is not None:
            pass
        assert warm.closed() == []
        return round(warm.due - warm._since)

    assert [pause() for _ in range(8)] == [2, 4, 8, 16, 32, 60, 60, 60]
    assert [pause(b'{"id": "a", "pid": 1}\n'), pause()] == [0, 2]


def test_a_start_that_is_given_up_is_never_started_twice() -> None:
    """Whoever was slow is refused when it answers after all; what it had said before counts."""
    warm = Warm({"most": 2})
    ours, theirs = socket.socketpair(type=socket.SOCK_SEQPACKET)
    warm.opened(ours, 0)
    assert [warm.ask({"id": id}) for id in "abc"] == [True, True, False] and warm.due
    theirs.sendall(b'{"id": "a", "pid": 1}\n')
    warm.dismiss()
    with pytest.raises(BrokenPipeError), theirs:
        theirs.sendall(b'{"id": "b", "pid": 2}\n')
    heard = []
    while (answers := warm.answers()) is not None:
        heard += answers
    assert heard == [{"id": "a", "pid": 1}]
    warm.answered("a")
    assert warm.closed() == [{"id": "b"}]


def test_the_parent_of_the_images_knows_every_program_that_is_claimed_from_it() -> None:
    claimed = [program for make in images.IMAGES.values() if (program := make()).warm]
    parents = images.warm_parents()
    assert claimed and all(f"{program.argv[2]}," in f"{parents[program.warm].argv[3]}," for program in claimed)
    once = images.warm_parents(forks=False)["sklearn"]
    assert "--once" in once.argv and once.most == 1 and "--once" not in images.warm_parents(forks=True)["sklearn"].argv
