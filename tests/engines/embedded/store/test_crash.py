"""kill -9 at any moment: what was acknowledged is there, nothing is there in half, and revisions only grow.

One database lives through all the kills of a test, so what was recovered once is recovered again.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from iiab_lab.engines.embedded.objects.kinds import CONFIG_MAP
from iiab_lab.errors import ApiError, LabError
from iiab_lab.kube import Kube

from .crash_writer import config_map, opened, value_of

Found = dict[str, tuple[int, int]]  # name → value, revision

_SERVER = """
import sys, threading
from pathlib import Path
from tests.engines.embedded.apiserver.conftest import Running
with Running(Path(sys.argv[1])):
    print("ready", flush=True)
    threading.Event().wait()
"""
MAPS = "/api/v1/namespaces/here/configmaps"


class Ledger:
    """What clients know of their writes: the last acknowledged state of each object, and the one that is on its way."""

    def __init__(self) -> None:
        self.known: Found = {}
        self.tried: dict[str, int] = {}
        self.began = self.revision = 0

    def tries(self, name: str, value: int) -> None:
        self.tried[name] = value

    def acknowledged(self, name: str, value: int, revision: int | None) -> None:
        """Value 0 is a deletion, whose revision a client of the API does not learn."""
        assert self.tried.pop(name) == value
        _, before = self.known.pop(name, (0, 0))
        if revision is not None:
            assert revision > max(self.began, before), "every write has a later revision"
            self.known |= {name: (value, revision)} if value else {}
            self.revision = max(self.revision, revision)

    def heard(self, line: str) -> bool:
        """One line of the writer → whether it was an acknowledgement."""
        what, name, *numbers = line.split()
        (self.tries if what == "try" else self.acknowledged)(name, *map(int, numbers))
        return what == "ack"

    def settle(self, found: Found, revision: int) -> None:
        """Holds what was found after a kill against what is known; from then on, that is what is known."""
        assert revision >= self.revision, "the revision went backwards"
        for name in {*self.known, *self.tried, *found}:
            here, known = found.get(name, (0, 0)), self.known.get(name, (0, 0))
            if here != known:
                assert here[0] == self.tried.get(name), f"{name} is {here}, acknowledged was {known}"
                assert here == (0, 0) or self.began < here[1] <= revision, f"{name} has an old revision: {here}"
        self.known, self.tried, self.began, self.revision = found, {}, revision, revision


async def recovered(folder: Path) -> tuple[Found, int]:
    """What a store holds that is opened after a kill; opening checks every page and every checksum."""
    store = await opened(folder)
    revision, entries = store.list(CONFIG_MAP, "here")
    await store.close()
    ours = [entry for entry in entries if entry.key.name != "kube-root-ca.crt"]  # that is a controller's
    assert all(entry.object()["metadata"]["resourceVersion"] == str(entry.revision) for entry in ours)
    return {entry.key.name: (value_of(entry.object()), entry.revision) for entry in ours}, revision


@contextmanager
def killed_in_the_end(*words: str) -> Iterator[subprocess.Popen[str]]:
    """Whoever hangs is killed too: what was awaited of it does not come then."""
    process = subprocess.Popen([sys.executable, *words], stdout=subprocess.PIPE, text=True)
    watchdog = threading.Timer(60, process.kill)
    watchdog.start()
    try:
        yield process
    finally:
        watchdog.cancel()
        process.kill()
        process.wait()


def live_and_die(folder: Path, seed: int, acknowledgements: int, ledger: Ledger) -> None:
    module = "tests.engines.embedded.store.crash_writer"
    with killed_in_the_end("-m", module, str(folder), str(seed)) as writer:
        assert writer.stdout
        while acknowledgements:
            acknowledgements -= ledger.heard(writer.stdout.readline())
        writer.kill()
        for line in writer.stdout:
            ledger.heard(line)


@pytest.mark.parametrize("kills", [35, pytest.param(1000, marks=pytest.mark.soak)])
def test_what_was_acknowledged_survives_kill_9(tmp_path: Path, kills: int) -> None:
    chance, ledger, database = random.Random(kills), Ledger(), tmp_path / "store"
    database.mkdir()
    for life in range(kills):
        live_and_die(database, life, chance.choice([1, chance.randrange(40), chance.randrange(600)]), ledger)
        looked_at = database
        if chance.random() < 0.5:  # a copy is looked at: the next writer itself recovers what was left
            looked_at = Path(shutil.copytree(database, tmp_path / f"copy-{life}"))
        ledger.settle(*asyncio.run(recovered(looked_at)))
    assert ledger.revision > kills


class Client:
    """Writes its own objects through the API server, until nobody answers."""

    def __init__(self, home: Path, number: int) -> None:
        self.ledger, self._number, self._home = Ledger(), number, home
        self._value, self._chance = 0, random.Random(number)

    def write(self, kill: Callable[[], None], last: int) -> None:
        """The server is killed upon acknowledgement number `last`, while the other clients go on."""
        kube = Kube(self._home / "kubeconfig")
        try:
            for count in itertools.count(1):
                self._one(kube)
                if count == last:
                    kill()
        except (LabError, OSError) as error:
            assert not isinstance(error, ApiError), error

    def _one(self, kube: Kube) -> None:
        name = f"c{self._number}-{self._chance.randrange(3)}"
        exists, self._value = name in self.ledger.known, self._value + 1
        value = 0 if exists and self._chance.random() < 0.3 else self._value
        self.ledger.tries(name, value)
        if not value:
            kube.raw("DELETE", f"{MAPS}/{name}")
            self.ledger.acknowledged(name, value, None)
        else:
            verb, path = ("PUT", f"{MAPS}/{name}") if exists else ("POST", MAPS)
            answer = kube.raw(verb, path, json=config_map(name, value, self._chance.choice([1, 5000])))
            self.ledger.acknowledged(name, value, int(answer.json()["metadata"]["resourceVersion"]))

    def settle(self, found: Found, revision: int) -> None:
        own = {name: state for name, state in found.items() if name.startswith(f"c{self._number}-")}
        self.ledger.settle(own, revision)


@pytest.mark.parametrize("kills", [4, pytest.param(25, marks=pytest.mark.soak)])
def test_a_whole_server_is_killed_while_clients_write(tmp_path: Path, kills: int) -> None:
    asyncio.run(recovered(tmp_path))
    clients, chance = [Client(tmp_path, number) for number in range(4)], random.Random(kills)
    for _ in range(kills):
        with killed_in_the_end("-c", _SERVER, str(tmp_path)) as server, ThreadPoolExecutor(len(clients)) as crowd:
            assert server.stdout and server.stdout.readline() == "ready\n"
            last = chance.randrange(1, 80)
            list(crowd.map(lambda client: client.write(server.kill, last), clients))  # noqa: B023
        found = asyncio.run(recovered(tmp_path))
        for client in clients:
            client.settle(*found)
    assert all(client.ledger.revision > kills for client in clients)
