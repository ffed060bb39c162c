"""The API server of a whole running platform under load: CRUD, writes, lists, watch fan-out, memory → rows of the table.

Every request goes over TLS with the admin's token, as kubectl's do; the client shares the two cores with the platform.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple
from urllib.parse import urlsplit

from rich.table import Table

from iiab_lab.kube import Kube

from ..e2e.lab import Lab
from .connection import Connection, Sample, percentile, request

MAPS = "/api/v1/namespaces/bench/configmaps"
CRUD, WRITES, LISTS, WATCHERS, OBJECTS = 500, 3000, 50, 100, 10_000
RATE, SECONDS = 20, 15
_MARK = b'"sent":"'


class Api(NamedTuple):
    port: int
    tls: ssl.SSLContext
    token: str

    def connect(self) -> Connection:
        return Connection(self.port, self.tls)

    def message(self, method: str, path: str, body: bytes = b"", content: str = "application/json") -> bytes:
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": content}
        return request("127.0.0.1", path, body, headers, method)


def rows(lab: Lab, table: Table) -> None:
    kube = Kube(lab.home / "kubeconfig")
    token = str(kube.session.headers["Authorization"]).removeprefix("Bearer ")
    api = Api(urlsplit(kube.server).port or 0, kube.tls, token)
    for measure in (crud, writes, fan_out, lists, memory):
        with _namespace(kube):
            measure(lab, api, table)


def crud(lab: Lab, api: Api, table: Table) -> None:
    """Four clients, each waiting for its answers."""
    for verb, made in _VERBS.items():
        sample = asyncio.run(_closed(api, CRUD, 4, lambda i, made=made: made(api, i)))
        p50, p99 = (sample.percentile(q) * 1e3 for q in (0.5, 0.99))
        table.add_row(
            f"API server, {verb}: p50/p99, 4 clients", f"{p50:.1f} / {p99:.1f} ms{_odd(sample)}", "p99 ≤ 20 ms"
        )


def writes(lab: Lab, api: Api, table: Table) -> None:
    sample = asyncio.run(_closed(api, WRITES, 32, lambda i: _create(api, i)))
    table.add_row("API server, creates by 32 clients", f"{sample.rate:.0f}/s{_odd(sample)}", "≥ 500/s")


def lists(lab: Lab, api: Api, table: Table) -> None:
    asyncio.run(_closed(api, 1000, 32, lambda i: _create(api, i)))
    sample = asyncio.run(_closed(api, LISTS, 1, lambda i: api.message("GET", MAPS)))
    p50, worst = sample.percentile(0.5) * 1e3, max(sample.latencies) * 1e3
    table.add_row("API server, list of 1,000 objects: p50/max", f"{p50:.1f} / {worst:.1f} ms{_odd(sample)}", "–")


def fan_out(lab: Lab, api: Api, table: Table) -> None:
    """From just before a write is sent to when each watcher has read its event."""
    delays = asyncio.run(_fan_out(api))
    p50, p99 = (percentile(delays, q) * 1e3 for q in (0.5, 0.99))
    missed = RATE * SECONDS * WATCHERS - len(delays)
    what = f"watch fan-out, {WATCHERS} watchers, {RATE} writes/s: p50/p99"
    table.add_row(what, f"{p50:.1f} / {p99:.1f} ms, {missed} missed", "p99 ≤ 50 ms")


def memory(lab: Lab, api: Api, table: Table) -> None:
    process = lab.control_plane()
    before = process.memory_full_info().pss
    sample = asyncio.run(_closed(api, OBJECTS, 32, lambda i: _create(api, i)))
    grown = (process.memory_full_info().pss - before) / 2**20
    what = f"control plane with {OBJECTS:,} objects of 1 KiB more"
    table.add_row(what, f"{before / 2**20:.0f} MiB {grown:+.0f} MiB{_odd(sample)}", "–")


def _create(api: Api, index: int) -> bytes:
    obj = {"metadata": {"name": f"m{index}", "labels": {"bench": "yes"}}, "data": {"text": "x" * 1024}}
    return api.message("POST", MAPS, json.dumps(obj).encode())


def _patch(api: Api, index: int) -> bytes:
    body = json.dumps({"data": {"text": f"{index}"}}).encode()
    return api.message("PATCH", f"{MAPS}/m{index}", body, "application/merge-patch+json")


_VERBS: dict[str, Callable[[Api, int], bytes]] = {
    "create": _create,
    "get": lambda api, index: api.message("GET", f"{MAPS}/m{index}"),
    "patch": _patch,
    "delete": lambda api, index: api.message("DELETE", f"{MAPS}/m{index}"),
}


async def _closed(api: Api, count: int, clients: int, message: Callable[[int], bytes]) -> Sample:
    sample, left, began = Sample(), iter(range(count)), time.perf_counter()

    async def one() -> None:
        connection = api.connect()
        await connection.open()
        for index in left:
            sent = time.perf_counter()
            sample.add(await connection.exchange(message(index)), time.perf_counter() - sent)
        connection.close()

    await asyncio.gather(*(one() for _ in range(clients)))
    sample.seconds = time.perf_counter() - began
    return sample


async def _fan_out(api: Api) -> list[float]:
    delays: list[float] = []
    writer = api.connect()
    await writer.exchange(_create(api, 0))
    watchers = [asyncio.create_task(_watch(api, delays)) for _ in range(WATCHERS)]
    began = time.perf_counter() + 2  # by then every watcher has had its first event
    for index in range(RATE * SECONDS):
        await asyncio.sleep(max(0.0, began + index / RATE - time.perf_counter()))
        body = json.dumps({"data": {"sent": repr(time.perf_counter())}}).encode()
        await writer.exchange(api.message("PATCH", f"{MAPS}/m0", body, "application/merge-patch+json"))
    await asyncio.wait(watchers, timeout=10)
    writer.close()
    return delays


async def _watch(api: Api, delays: list[float]) -> None:
    connection = api.connect()
    reader, writer = await connection.open()
    seconds = SECONDS + 5
    writer.write(api.message("GET", f"{MAPS}?watch=1&fieldSelector=metadata.name%3Dm0&timeoutSeconds={seconds}"))
    await reader.readuntil(b"\r\n\r\n")
    while line := await reader.readline():
        now = time.perf_counter()
        if _MARK in line:
            delays.append(now - float(line.split(_MARK, 1)[1].split(b'"', 1)[0]))
        if line == b"0\r\n":
            break
    connection.close()


@contextlib.contextmanager
def _namespace(kube: Kube) -> Iterator[None]:
    kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "bench"}})
    try:
        yield
    finally:
        kube.raw("DELETE", "/api/v1/namespaces/bench")
        while kube.get("v1", "Namespace", "bench") is not None:
            time.sleep(0.1)


def _odd(sample: Sample) -> str:
    odd = {status: count for status, count in sample.statuses.items() if not 200 <= status < 300}
    return f", {odd}" if odd else ""
