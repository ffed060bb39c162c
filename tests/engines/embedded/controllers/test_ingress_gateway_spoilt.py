"""A real Envoy, 200 spoilt VirtualServices and DestinationRules among good ones: each is refused or says why it is not in force,
and no request to a good one ever fails."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import random
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import yaml
from prometheus_client import CollectorRegistry

from iiab_lab.engines.embedded.controllers.ingress_gateway import IngressGatewayController
from iiab_lab.engines.embedded.objects.kinds import DESTINATION_RULE, VIRTUAL_SERVICE, Key
from iiab_lab.engines.embedded.objects.meta import Object
from iiab_lab.engines.embedded.processes.proxy import FileProxy
from iiab_lab.engines.embedded.reconcile.clock import SystemClock
from iiab_lab.engines.embedded.reconcile.events import Recorder
from iiab_lab.engines.embedded.reconcile.local_client import LocalClient
from iiab_lab.engines.embedded.reconcile.manager import Manager, Metrics
from iiab_lab.engines.embedded.rules import pki
from iiab_lab.engines.embedded.store.admission.plugins import GENERAL, PLUGINS
from iiab_lab.engines.embedded.store.registry import Registry
from iiab_lab.engines.embedded.store.store import Store

from ..envoy import mesh
from ..processes.test_proxy import answers, free_port, running
from .spoilt import GOOD, SEED, SPOILT, Spoil, asked, created, text, timeless, until_served, watch

POD = Key("istio-system", "ingress")
WEB: dict[str, Any] = {"route": [{"destination": {"host": "web"}}]}


def header(dice: random.Random, name: str, value: str) -> Any:
    return {"headers": {dice.choice(["request", "response"]): {dice.choice(["set", "add"]): {name: value}}}}


# Each makes a rule of a VirtualService that something must refuse.
RULES: list[Spoil] = [
    lambda d: {"match": [{"uri": {"regex": text(d) + d.choice(["[a-", "(", ")", "a**b(", "\\8", "(?P<n"])}}], **WEB},
    lambda d: {"match": [{d.choice(["method", "authority", "scheme"]): {"regex": text(d) + "["}}], **WEB},
    lambda d: {"match": [{"headers": {text(d) + d.choice([" ", "(", "\n"]): {"exact": "1"}}}], **WEB},
    lambda d: {"match": [{d.choice(["headers", "queryParams"]): {"x": {"prefix": ""}}}], **WEB},
    lambda d: {"match": [{"queryParams": {d.choice(["", "q" * 1025]): {"exact": "1"}}}], **WEB},
    lambda d: {"match": [{"uri": {"regex": "a{1,1000}" * d.randint(20, 100)}}], **WEB},
    lambda d: {"match": [{"uri": {"exact": "/", "prefix": "/"}}], **WEB},
    lambda d: {**header(d, "x", text(d) + d.choice(["%", "%START_TIME", "\n"])), **WEB},
    lambda d: {**header(d, "x", f"%{text(d).upper()}%"), **WEB},  # no variable that Envoy knows: only it can tell
    lambda d: {**header(d, text(d) + d.choice(["\n", "\r", "\0"]), "1"), **WEB},
    lambda d: {**header(d, d.choice([":path", ""]), "1"), **WEB},
    lambda d: {"headers": {"request": {"remove": [d.choice(["Host", ":method"])]}}, **WEB},
    lambda d: {"redirect": {"uri": "/" + text(d), "redirectCode": d.choice([200, 300, 304, 305, 399, 400])}},
    lambda d: {"redirect": {d.choice(["uri", "authority"]): text(d) + "\n"}},
    lambda d: {"redirect": {"scheme": text(d)}},
    lambda d: {"directResponse": {"status": d.choice([0, 99, 199, 600, 601])}},
    lambda d: {
        "rewrite": {"uriRegexRewrite": {"match": "(" + text(d) + ")", "rewrite": f"\\{d.randint(2, 9)}"}},
        **WEB,
    },
    lambda d: {"rewrite": {d.choice(["uri", "authority"]): text(d) + "\0"}, **WEB},
    lambda d: {"timeout": d.choice(["0s", "-1s", "5", "soon"]), **WEB},
    lambda d: {"retries": {"attempts": d.randint(1, 5), "retryOn": text(d)}, **WEB},
    lambda d: {"fault": {"abort": {"httpStatus": d.choice([0, 199, 600, 700]), "percentage": {"value": 1}}}, **WEB},
    lambda d: {"fault": {"delay": {"fixedDelay": "1s", "percentage": {"value": d.choice([-1, 101, 1e9])}}}, **WEB},
    lambda d: {"corsPolicy": {"allowOrigins": [{"regex": text(d) + "("}]}, **WEB},
    lambda d: {"mirrors": [{"destination": {"host": "web"}, "percentage": {"value": d.choice([-1, 100.5])}}], **WEB},
    lambda d: {"route": [{"destination": {"host": "web"}, "weight": 2**31 - 1}] * 3},
    lambda d: {"route": [{"destination": {"host": "web"}, "weight": d.choice([0, -3])}] * 2},
]
HASHES: list[Spoil] = [
    lambda d: {d.choice(["httpHeaderName", "httpQueryParameterName"]): ""},
    lambda d: {"httpHeaderName": text(d) + "\n"},
    lambda d: {"httpCookie": {"name": d.choice(["", "a\r"])}},
    lambda d: {"httpCookie": {"name": text(d), "ttl": d.choice(["soon", "-1s", "5"])}},
    lambda d: {"useSourceIp": True, "maglev": {"tableSize": d.choice([0, 4, 100, 5000011])}},
    lambda d: {"useSourceIp": True, "ringHash": {"minimumRingSize": d.randint(2**23 + 1, 2**40)}},
    lambda d: {"useSourceIp": True, "httpHeaderName": text(d)},
]
POLICIES: list[Spoil] = [
    *(lambda d, make=make: {"loadBalancer": {"consistentHash": make(d)}} for make in HASHES),
    lambda d: {"connectionPool": {"tcp": {"maxConnections": -d.randint(1, 9)}}},
    lambda d: {"outlierDetection": {"maxEjectionPercent": d.choice([-1, 101])}},
    lambda d: {"outlierDetection": {"interval": d.choice(["0s", "1", "often"])}},
]


def spoilt(dice: random.Random, number: int) -> Object:
    name = f"bad-{number:03}"
    if dice.random() < 0.25:
        rule = mesh.destination_rule("web", name, trafficPolicy=dice.choice(POLICIES)(dice))
        return timeless(rule)
    rules = [dice.choice(RULES)(dice), {"match": [{"uri": {"prefix": "/fine"}}], **WEB}]
    dice.shuffle(rules)
    return timeless(mesh.virtual_service(rules, name, hosts=[f"{name}.example.org"]))


def good(number: int) -> Object:
    name = f"good-{number:02}"
    answer = {"directResponse": {"status": 200, "body": {"string": name}}}
    return timeless(mesh.virtual_service([answer], name, hosts=[f"{name}.example.org"]))


@contextlib.asynccontextmanager
async def gateway(home: Path, run: Path) -> AsyncIterator[tuple[LocalClient, int]]:
    """A store, the controller of ingress gateways, and their Envoy → how to write, and the port that it serves."""
    store = await Store.open(home / "store.db", Registry.load(), PLUGINS, GENERAL)
    client, clock, proxy = LocalClient(store), SystemClock(), FileProxy(home / "proxies", run)
    controller = IngressGatewayController(client, proxy, clock, Recorder(client, clock, "istiod"))
    manager = Manager(client, clock, [controller], Metrics(CollectorRegistry()))
    served = free_port()
    async with running(home, proxy, POD):
        await answers(run, POD)
        manager.start()
        try:
            await _furnish(client, {8080: served, 15021: free_port(), 15090: free_port()})
            yield client, served
        finally:
            await manager.stop()
            await store.close()


async def _furnish(client: LocalClient, ports: dict[int, int]) -> None:
    for name in ("istio-system", "shop"):
        await client.apply(mesh.namespace(name))
    ca = pki.issue(pki.Request(10**7, common_name="mesh", is_ca=True, usages=("cert sign",)), None, time.time())
    parts = {"tls.crt": ca.chain, "tls.key": ca.key, "ca.crt": ca.root}
    data = {name: base64.b64encode(value.encode()).decode() for name, value in parts.items()}
    meta = {"name": "cacerts", "namespace": "istio-system"}
    await client.apply(
        {"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls", "metadata": meta, "data": data}
    )
    pod, *others = yaml.safe_load_all(mesh.GATEWAY)
    pod["metadata"]["annotations"] = {"iiab.lab/ports": json.dumps(ports)}
    for obj in (pod, *others, *mesh.service("web", {"web": 1})):
        await client.apply(obj)


def explained(client: LocalClient, obj: Object) -> str:
    """What its status says about why it is not in force."""
    kind = VIRTUAL_SERVICE if obj["kind"] == "VirtualService" else DESTINATION_RULE
    found = client.get(kind, Key("shop", obj["metadata"]["name"])) or {}
    conditions = (found.get("status") or {}).get("conditions") or []
    return " ".join(c["message"] for c in conditions if (c["type"], c["status"]) == ("Reconciled", "False"))


def answer(name: str) -> str:
    return f"200 {name}"


async def play(home: Path, run: Path) -> None:
    dice = random.Random(SEED)
    names = [f"good-{number:02}" for number in range(GOOD)]
    async with gateway(home, run) as (client, port), aiohttp.ClientSession(trust_env=False) as session:
        for number in range(GOOD):
            await client.create(good(number))
        await until_served(session, port, names[-1], answer)
        wrong: list[str] = []
        watching = asyncio.create_task(watch(session, port, names, answer, wrong))
        objects = [spoilt(dice, number) for number in range(SPOILT)]
        refused = {obj["metadata"]["name"] for obj in objects if not await created(client, obj, (400, 422))}
        admitted = [obj for obj in objects if obj["metadata"]["name"] not in refused]
        async with asyncio.timeout(60):
            while not all(explained(client, obj) for obj in admitted):
                await asyncio.sleep(0.05)
        assert len(refused) > SPOILT // 4 and len(admitted) > SPOILT // 4
        by_envoy = {said: obj for obj in admitted if (said := explained(client, obj)).startswith("Envoy refuses it: ")}
        assert by_envoy and all(said.rpartition(" ")[2] in repr(obj) for said, obj in by_envoy.items()), by_envoy
        await client.create(good(GOOD))
        await until_served(session, port, f"good-{GOOD}", answer)
        watching.cancel()
        await asyncio.wait([watching])
        assert wrong == []
        assert [await asked(session, port, name) for name in names] == [answer(name) for name in names]


def test_spoilt_objects_say_so_and_good_ones_are_always_served(tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="iiab-t-", dir="/tmp") as run:
        asyncio.run(play(tmp_path, Path(run)))
