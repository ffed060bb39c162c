"""A real Envoy, 200 spoilt HTTPRoutes among good ones: each is refused or has a condition that says why it is not served, and no
request to a good one ever fails."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import tempfile
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from prometheus_client import CollectorRegistry

from iiab_lab.engines.embedded.controllers.gateway import GatewayController
from iiab_lab.engines.embedded.envoy.edge import READY_PORT, STATS_PORT
from iiab_lab.engines.embedded.objects.kinds import HTTP_ROUTE, Key
from iiab_lab.engines.embedded.objects.meta import Object
from iiab_lab.engines.embedded.processes.proxy import FileProxy
from iiab_lab.engines.embedded.reconcile.clock import SystemClock
from iiab_lab.engines.embedded.reconcile.local_client import LocalClient
from iiab_lab.engines.embedded.reconcile.manager import Manager, Metrics
from iiab_lab.engines.embedded.rules import gateway_proxy
from iiab_lab.engines.embedded.store.admission.plugins import GENERAL, PLUGINS
from iiab_lab.engines.embedded.store.registry import Registry
from iiab_lab.engines.embedded.store.store import Store

from ..envoy import gateway, mesh
from ..processes.test_proxy import answers, free_port, running
from .spoilt import GOOD, SEED, SPOILT, Spoil, created, text, timeless, until_served, watch

POD = Key(gateway_proxy.NAMESPACE, "edge")


def matching(kind: str, value: str) -> Any:
    item = {"type": "RegularExpression", "value": value}
    return {"matches": [{"path": item} if kind == "path" else {kind: [{"name": "x", **item}]}]}


def modified(dice: random.Random, verb: str, *items: Any) -> Any:
    side = dice.choice(["Request", "Response"])
    return filtered({"type": f"{side}HeaderModifier", f"{side.lower()}HeaderModifier": {verb: list(items)}})


def filtered(*filters: Any) -> Any:
    return {"filters": list(filters)}


def redirected(**wanted: Any) -> Any:
    return {"backendRefs": [], **filtered({"type": "RequestRedirect", "requestRedirect": wanted})}


# Each makes a part of a rule that something must refuse.
SPOILS: list[Spoil] = [
    lambda d: matching(d.choice(["path", "headers", "queryParams"]), text(d) + d.choice(["[a-", "(", ")", "a**b(", "(?P<n"])),
    lambda d: matching("path", "a{1,1000}" * d.randint(20, 100)),
    lambda d: {"matches": [{"path": {"type": "Exact", "value": text(d)}}]},
    lambda d: {"matches": [{"path": {"type": "Exact", "value": "/" + text(d) + d.choice(["//", "/../x", "\n", "#"])}}]},
    lambda d: {"matches": [{"headers": [{"name": text(d) + d.choice([" ", "(", "\n"]), "value": "1"}]}]},
    lambda d: {"matches": [{"queryParams": [{"name": d.choice(["", "q" * 257]), "value": "1"}]}]},
    lambda d: modified(d, "set", {"name": d.choice(["Host", "a:b", "a b"]), "value": text(d)}),
    lambda d: modified(d, d.choice(["set", "add"]), {"name": "x", "value": text(d) + d.choice(["\n", " ", "%", "%x%", "\0"])}),
    lambda d: modified(d, "set", {"name": "x", "value": f"%{text(d, 'QWXZ')}%"}),
    lambda d: modified(d, "remove", d.choice(["host", ":path", "a\nb", ""])),
    lambda d: redirected(hostname=d.choice(["10.0.0.1", "UPPER.example", "a" * 64 + ".example"])),
    lambda d: redirected(path={"type": "ReplaceFullPath", "replaceFullPath": "/" + text(d) + d.choice(["\n", "\r", "\0"])}),
    lambda d: filtered({"type": "URLRewrite", "urlRewrite": {"path": {"type": "ReplaceFullPath", "replaceFullPath": "/\n"}}}),
    lambda d: filtered({"type": "URLRewrite", "urlRewrite": {"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/\r"}}}),
    lambda d: {"backendRefs": [{"name": "web", "port": 80, "weight": d.choice([-1, 1_000_001])}]},
    lambda d: {"backendRefs": [{"name": d.choice(["nobody", "web"]), "port": 81}]},
    lambda d: {"backendRefs": [{"name": "web", "port": 80, **modified(d, "set", {"name": "Host", "value": "x"})}]},
    lambda d: {"timeouts": {"request": d.choice(["soon", "-1s", "1.5s", "999999s"])}},
    lambda d: filtered({"type": "RequestMirror", "requestMirror": {"backendRef": {"name": text(d), "port": 80}}}),
]  # fmt: skip


def spoilt(dice: random.Random, number: int) -> Object:
    """One rule is enough to spoil a route; some have another that is fine."""
    name = f"bad-{number:03}"
    wrong = {"backendRefs": [{"name": "web", "port": 80}], **dice.choice(SPOILS)(dice)}
    fine = {"matches": [{"path": {"value": "/fine"}}], "backendRefs": [{"name": "web", "port": 80}]}
    return timeless(
        gateway.route([wrong, fine] if dice.random() < 0.3 else [wrong], name, hostnames=[f"{name}.example.org"])
    )


def good(number: int) -> Object:
    name = f"good-{number:02}"
    return timeless(gateway.route([{"backendRefs": gateway.to("web")}], name, hostnames=[f"{name}.example.org"]))


class CountingProxy(FileProxy):
    """How often Envoy was asked about a candidate."""

    checks = 0

    async def check(self, candidate: Any) -> str:
        self.checks += 1
        return await super().check(candidate)


@contextlib.asynccontextmanager
async def edge(home: Path, run: Path) -> AsyncIterator[tuple[LocalClient, CountingProxy, int]]:
    """A store, the controller of Gateways, and their Envoy → how to write, the proxy, and the port that it serves."""
    store = await Store.open(home / "store.db", Registry.load(), PLUGINS, GENERAL)
    client, clock, proxy = LocalClient(store), SystemClock(), CountingProxy(home / "proxies", run)
    manager = Manager(client, clock, [GatewayController(client, proxy, clock)], Metrics(CollectorRegistry()))
    served = free_port()
    async with running(home, proxy, POD), backend() as answering:
        await answers(run, POD)
        manager.start()
        try:
            await _furnish(client, {10080: served, READY_PORT: free_port(), STATS_PORT: free_port()}, answering)
            yield client, proxy, served
        finally:
            await manager.stop()
            await store.close()


@contextlib.asynccontextmanager
async def backend() -> AsyncIterator[int]:
    async def answer(_: web.BaseRequest) -> web.StreamResponse:
        return web.Response(text="web")

    port, runner = free_port(), web.ServerRunner(web.Server(answer), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield port
    finally:
        await runner.cleanup()


async def _furnish(client: LocalClient, ports: dict[int, int], answering: int) -> None:
    for name in (gateway_proxy.NAMESPACE, "gateways", "shop"):
        await client.apply(mesh.namespace(name))
    spec = {"controllerName": "gateway.envoyproxy.io/gatewayclass-controller"}
    await client.apply(
        {"apiVersion": gateway.API, "kind": "GatewayClass", "metadata": {"name": "envoy-gateway"}, "spec": spec}
    )
    meta = {"name": POD.name, "namespace": POD.namespace, "labels": gateway_proxy.labels(gateway.gateway())}
    meta["annotations"] = {"iiab.lab/ports": json.dumps(ports)}
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": meta,
        "spec": {"containers": [{"name": "envoy", "image": "x"}]},
    }
    for obj in (pod, *mesh.service("web", {"web": answering}), gateway.gateway()):
        await client.apply(obj)


def explained(client: LocalClient, obj: Object) -> str:
    """What its status says about why it is not served, or not wholly."""
    found = client.get(HTTP_ROUTE, Key("shop", obj["metadata"]["name"])) or {}
    conditions = [c for parent in (found.get("status") or {}).get("parents") or () for c in parent["conditions"]]
    bad = [c for c in conditions if c["status"] == ("True" if c["type"] == "PartiallyInvalid" else "False")]
    return " ".join(f"{c['reason']}: {c['message']}" for c in bad)


def answer(_: str) -> str:
    return "200 web"


async def play(home: Path, run: Path) -> None:
    dice, names, wrong = random.Random(SEED), [f"good-{number:02}" for number in range(GOOD)], []
    # A connection for each request: one that is kept would not see a listener go.
    fresh = aiohttp.ClientSession(trust_env=False, connector=aiohttp.TCPConnector(force_close=True))
    async with edge(home, run) as (client, proxy, port), fresh as session:
        for number in range(GOOD):
            await client.create(good(number))
        for name in names:
            await until_served(session, port, name, answer)
        watching = asyncio.create_task(watch(session, port, names, answer, wrong))
        objects = [spoilt(dice, number) for number in range(SPOILT)]
        admitted = [obj for obj in objects if await created(client, obj, (422,))]
        async with asyncio.timeout(60):
            while not all(explained(client, obj) for obj in admitted):
                await asyncio.sleep(0.05)
        assert SPOILT // 4 < len(admitted) < SPOILT * 3 // 4
        reasons = Counter(explained(client, obj).partition(":")[0] for obj in admitted)
        assert {"UnsupportedValue", "PortNotFound", "InvalidBackendFilters", "BackendNotFound"} <= set(reasons), reasons
        by_envoy = [obj for obj in admitted if "Envoy refuses" in explained(client, obj)]
        # Halving asks about each culprit a few times, not about all routes each time.
        assert by_envoy and proxy.checks <= 12 * len(by_envoy), (proxy.checks, len(by_envoy))
        await client.create(good(GOOD))
        await until_served(session, port, f"good-{GOOD}", answer)
        watching.cancel()
        await asyncio.wait([watching])
        assert wrong == []


def test_spoilt_routes_say_so_and_good_ones_are_always_served(tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="iiab-t-", dir="/tmp") as run:
        asyncio.run(play(tmp_path, Path(run)))
