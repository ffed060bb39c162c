"""KServe's server, claimed from the warm parent of the images: it serves, is confined and ends as an executed one."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from iiab_lab.engines.embedded.processes import images
from iiab_lab.models import iris
from iiab_lab.models.__main__ import write
from iiab_lab.runtimes.confined import MODULE, Own
from tests.runtimes import hostile
from tests.runtimes.test_confine import targets

from .house import BASE, House, house, until

__all__ = ["targets"]  # the fixture
ROWS = [[5.1, 3.5, 1.4, 0.2]]
V2 = {"inputs": [{"name": "x", "shape": [1, 4], "datatype": "FP64", "data": ROWS[0]}]}
SERVER, STORAGE = "iiab_lab.runtimes.sklearn", "iiab_lab.runtimes.storage"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model") / "iris"
    write(folder, *iris.train())
    return folder


def keep(it: House) -> None:
    argv = images.warm_parents()["sklearn"].argv
    it.keep(*(word for word in argv[3:] if word.strip()))


async def serving(it: House, id: str, folder: Path, *more: str, **environment: str) -> httpx.AsyncClient:
    place = it.home / f"{id}.sock"
    words = ("--model_name=iris", f"--model_dir={folder}", "--http_port=8080", *more)
    await it.start(id, *words, module=SERVER, IIAB_SOCKET_8080=str(place), **environment)
    client = httpx.AsyncClient(transport=httpx.AsyncHTTPTransport(uds=str(place)), base_url="http://iris")
    async with asyncio.timeout(60):
        while True:
            assert id not in it.ends, it.log(id).read_text()
            try:
                if (await client.get("/v2/health/ready")).status_code == 200:
                    return client
            except httpx.TransportError:
                await asyncio.sleep(0.01)


def parent_of(it: House) -> psutil.Process:
    return it.warm()[0]


def test_two_forked_servers_answer_both_protocols_and_count_for_themselves(tmp_path: Path, model: Path) -> None:
    async def body() -> None:
        async with house(tmp_path) as it:
            keep(it)
            one, other = await asyncio.gather(serving(it, "one", model), serving(it, "other", model))
            for client in (one, other):
                v1 = await client.post("/v1/models/iris:predict", json={"instances": ROWS})
                v2 = await client.post("/v2/models/iris/infer", json=V2)
                assert v1.json() == {"predictions": [0]} and v2.json()["outputs"][0]["data"] == [0]
            await one.post("/v1/models/iris:predict", json={"instances": ROWS})
            for client, count in ((one, "3.0"), (other, "2.0")):
                said = (await client.get("/metrics")).text
                assert f'request_predict_seconds_count{{model_name="iris"}} {count}' in said
                await client.aclose()
            assert it.log("one").read_text().count("uvicorn.access") >= 5
            parent_of(it).kill()
            it.supervisor.signal("one", signal.SIGTERM)
            it.supervisor.signal("other", signal.SIGTERM)
            await until(lambda: len(it.ends) == 2)
            assert it.ends == {"one": (143, 15), "other": (143, 15)}
            assert all("Finished server process" in it.log(id).read_text() for id in ("one", "other"))

    asyncio.run(body())


def test_it_is_confined_and_nothing_of_the_parent_leaks(tmp_path: Path, targets: dict[str, Any]) -> None:
    async def body() -> None:
        folder, scratch = tmp_path / "hostile", tmp_path / "tmp"
        (tmp_path / "house").mkdir()
        scratch.mkdir()
        estimator, report = iris.train()
        write(folder, estimator, report)
        async with house(tmp_path / "house") as it:
            keep(it)
            await until(lambda: len(it.warm()) == 2)
            parent = parent_of(it).pid
            more: dict[str, Any] = {
                "scratch": ("write", str(scratch / "x")),
                "the parent's memory": ("read", f"/proc/{parent}/environ"),
                "the parent's descriptors": ("list", f"/proc/{parent}/fd"),
            }
            hostile.save(targets | more, estimator, folder / "model.joblib")
            client = await serving(it, "a", folder, TMPDIR=str(scratch))
            assert (await client.post("/v1/models/iris:predict", json={"instances": ROWS})).json() == {
                "predictions": [0]
            }
            await client.aclose()
            said = it.log("a").read_text()
        outcomes = hostile.reported(said)
        assert outcomes.pop("scratch") == "done"
        assert set(outcomes.values()) == {"PermissionError"}, outcomes
        assert "Confinement: Landlock ABI" in said

    asyncio.run(body())


def test_an_argument_that_kserve_reads_at_import_counts(tmp_path: Path, model: Path) -> None:
    async def body() -> None:
        async with house(tmp_path) as it:
            keep(it)
            usual = await serving(it, "usual", model)
            documented = await serving(it, "documented", model, "--enable_docs_url=true")
            answers = [(await client.get("/docs")).status_code for client in (usual, documented)]
            assert answers == [404, 200]
            await usual.aclose()
            await documented.aclose()

    asyncio.run(body())


def test_a_model_that_cannot_be_loaded_is_an_end_with_last_words(tmp_path: Path) -> None:
    async def body() -> None:
        async with house(tmp_path) as it:
            keep(it)
            (tmp_path / "none").mkdir()
            words = ("--model_name=iris", f"--model_dir={tmp_path / 'none'}")
            await it.start("a", *words, module=SERVER, IIAB_SOCKET_8080=str(tmp_path / "s"))
            await until(lambda: it.ends)
            assert it.ends == {"a": (1, 0)}
            assert it.log("a").read_text().splitlines()[-1].startswith("The model cannot be loaded:")

    asyncio.run(body())


def test_the_initializer_copies_in_a_process_of_its_own(tmp_path: Path, model: Path) -> None:
    async def body() -> None:
        async with house(tmp_path) as it:
            keep(it)
            await it.start("init", str(model), str(tmp_path / "to"), module=STORAGE)
            await until(lambda: it.ends)
            assert it.ends == {"init": (0, 0)}
            assert it.log("init").read_text() == f"Copied 2 files from {model} to {tmp_path / 'to'}\n"
            assert sorted(os.listdir(tmp_path / "to")) == ["model.joblib", "report.json"]

    asyncio.run(body())


def test_a_confined_server_is_claimed_too_and_serves_its_own_model_alone(tmp_path: Path, model: Path) -> None:
    async def play() -> None:
        async with house(tmp_path) as it:
            keep(it)
            own = Own(BASE | {"IIAB_SOCKET_8080": str(tmp_path / "s")}, (str(model),), (), (8080,))
            words = ("--model_name=iris", "--http_port=8080")
            argv = (sys.executable, "-m", SERVER, *words, f"--model_dir={model}")
            pid = await it.start("a", *argv, module=MODULE, **own.words())
            async with httpx.AsyncClient(transport=httpx.AsyncHTTPTransport(uds=str(tmp_path / "s"))) as client:
                await until_ready(client)
                answer = await client.post("http://iris/v1/models/iris:predict", json={"instances": ROWS})
            assert answer.json() == {"predictions": [0]}
            assert psutil.Process(pid).cmdline()[2] == SERVER  # one that was executed would still show who confined it
            other = Own(BASE | {"IIAB_SOCKET_8080": str(tmp_path / "t")}, (), (), (8080,))
            await it.start("b", *argv, module=MODULE, **other.words())
            await until(lambda: "b" in it.ends)
            assert it.ends["b"] == (1, 0) and "Permission denied" in it.log("b").read_text()

    asyncio.run(play())


async def until_ready(client: httpx.AsyncClient) -> None:
    async with asyncio.timeout(60):
        while True:
            with contextlib.suppress(httpx.TransportError):
                if (await client.get("http://iris/v2/health/ready")).status_code == 200:
                    return
            await asyncio.sleep(0.01)
