"""A Pod of somebody's on the machine: its programs reach what it mounts, whatever their arguments and variables name."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from iiab_lab.engines.embedded.objects.kinds import Key
from iiab_lab.engines.embedded.objects.sandbox import Container, Mount, Sandbox, StartFailed, State
from iiab_lab.engines.embedded.processes.machine import Machine
from iiab_lab.engines.embedded.processes.proxy import FileProxy
from iiab_lab.engines.embedded.processes.supervisor import Command

from .house import until

MOUNTS = (
    Mount("out", "/out"),
    Mount("own", "/own", files={"model.pkl": b"own"}),
    Mount("models", "/mnt/pvc", claim="models", read_only=True),
)
INITIALIZER = "kserve/storage-initializer:v0.20.0"


def on_machine(home: Path, play: Callable[[Machine], Awaitable[None]]) -> None:
    async def body() -> None:
        with tempfile.TemporaryDirectory(prefix="iiab-t-", dir="/tmp") as run:
            machine = Machine(home, Path(run), {}, FileProxy(home / "proxies", Path(run)))
            await machine.supervisor.open()
            try:
                await play(machine)
            finally:
                await machine.supervisor.close()

    asyncio.run(body())


async def ended(machine: Machine, uid: str, *args: str, confined: bool = True, **env: str) -> State:
    sandbox = Sandbox(Key("tenant-b", uid), uid, "default", meshed=False, confined=confined, mounts=MOUNTS)
    await machine.prepare(sandbox)
    await machine.start(sandbox, Container("main", INITIALIZER, 0, args=args, env=env))

    def over() -> State | None:
        found = machine.state(uid, "main")
        return found if found and found.exit_code is not None else None

    found: State = await until(over)
    return found


def fill(home: Path) -> None:
    for place in ("volumes/tenant-a/models", "volumes/tenant-b/models", "pki"):
        (home / place).mkdir(parents=True)
        (home / place / "model.pkl").write_text(place)
    (home / "store.db").write_text("secrets")


@pytest.mark.parametrize(
    ("source", "copied"),
    [
        ("/own", "own"),
        ("/mnt/pvc", "volumes/tenant-b/models"),
        ("/mnt/pvc/model.pkl", "volumes/tenant-b/models"),
        ("/mnt/pvc/../../../../../store.db", None),
        ("/mnt/pvc/../../tenant-a/models", None),
        ("HOME/store.db", None),
        ("HOME/pki", None),
        ("HOME/volumes/tenant-a/models", None),
    ],
)
def test_a_pod_reads_what_it_mounts(tmp_path: Path, source: str, copied: str | None) -> None:
    async def play(machine: Machine) -> None:
        state = await ended(machine, "p", source.replace("HOME", str(tmp_path)), "/out")
        file = tmp_path / "pods" / "p" / "volumes" / "out" / "model.pkl"
        assert (file.read_text() if file.exists() else None) == copied
        assert (state.exit_code == 0) == (copied is not None), state.message

    fill(tmp_path)
    on_machine(tmp_path, play)


def test_where_its_sockets_and_services_are_is_not_its_own_to_say(tmp_path: Path) -> None:
    async def play(machine: Machine) -> None:
        sandbox = Sandbox(Key("tenant-b", "p"), "p", "default", meshed=True, ports={8080: 0})
        await machine.prepare(sandbox)
        asked = Container("main", INITIALIZER, 0, env={"IIAB_SOCKET_8080": "/tmp/other", "MINE": "1"})
        found = machine._environment(machine._pods["p"], asked)
        assert found["MINE"] == "1" and found["IIAB_SOCKET_8080"] != "/tmp/other"

    on_machine(tmp_path, play)


def test_nothing_of_a_pods_author_goes_into_a_proxy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[Command] = []

    async def noted(id: str, command: Command) -> int:
        started.append(command)
        return 1

    async def play(machine: Machine) -> None:
        monkeypatch.setattr(machine.supervisor, "start", noted)
        asked = Container("main", "istio/proxyv2:1", 0, args=("-c", "/own/x"), env={"LD_PRELOAD": "/own/x.so"})
        for uid, ports in (("p", {15090: 0}), ("q", {8080: 0})):
            sandbox = Sandbox(Key("tenant-b", uid), uid, "default", False, True, ports, MOUNTS)
            await machine.prepare(sandbox)
            if 15090 in ports:
                await machine.start(sandbox, asked)
            else:
                with pytest.raises(StartFailed, match="a proxy needs a containerPort 15090 or 19001"):
                    await machine.start(sandbox, asked)

    on_machine(tmp_path, play)
    (command,) = started
    assert "LD_PRELOAD" not in command.env and "own" not in repr(command.argv)


def test_a_pod_of_the_platforms_is_not_confined(tmp_path: Path) -> None:
    async def play(machine: Machine) -> None:
        state = await ended(machine, "p", str(tmp_path / "store.db"), "/out", confined=False)
        assert state.exit_code == 0, state.message

    fill(tmp_path)
    on_machine(tmp_path, play)


def test_what_a_namespace_leaves_on_the_machine_goes_with_it_and_no_others(tmp_path: Path) -> None:
    for namespace in ("blue", "blue-2"):
        (tmp_path / "volumes" / namespace / "models").mkdir(parents=True)
    (tmp_path / "logs").mkdir()

    async def play(machine: Machine) -> None:
        await machine.forget("blue")
        await machine.forget("never-there")

    on_machine(tmp_path, play)
    assert [file.name for file in (tmp_path / "volumes").iterdir()] == ["blue-2"]
    assert (tmp_path / "logs" / "blue.gone").exists(), "a note for whoever keeps the logs"
