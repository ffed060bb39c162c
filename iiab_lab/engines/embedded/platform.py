"""The composition root: one home directory → the control plane, on one event loop. The one file that knows everything.

`python -m iiab_lab.engines.embedded.platform HOME PORTS READY_FD` opens the store, starts the spawner, the controllers
and the API server, and says so with one byte on READY_FD. It ends on SIGTERM, or when the spawner is lost; either way
every process it started ends with it.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import logging
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path

import psutil
import uvloop
from prometheus_client import Gauge

from ...errors import LabError
from .apiserver.app import ApiServer, Doors
from .apiserver.app import Metrics as ApiMetrics
from .apiserver.audit import Audit
from .apiserver.authn import Authenticator, Tokens
from .apiserver.authz import Authorizer
from .apiserver.plugins import Doings, plugins
from .apiserver.serve import Server
from .controllers import ca_bundle
from .credentials import Credentials, write_private
from .objects.kinds import CONFIG_MAP
from .objects.meta import Object, key_of
from .processes.journal import FileJournal
from .processes.load import MeasuredLoad
from .processes.log_files import keep
from .processes.machine import Machine
from .processes.pod_metrics import PodMetrics
from .processes.proxy import FileProxy
from .processes.queue_metrics import QueueMetrics
from .processes.rundir import run_dir
from .reconcile.aftermath import unready
from .reconcile.certificate_metrics import CertificateMetrics
from .reconcile.clock import SystemClock
from .reconcile.local_client import LocalClient
from .reconcile.manager import Manager
from .reconcile.manager import Metrics as ManagerMetrics
from .store.admission.plugins import GENERAL, PLUGINS
from .store.definitions import served
from .store.registry import Registry
from .store.store import Store
from .wiring import controllers

log = logging.getLogger("iiab")

_LAG_SECONDS = 0.25
_ACCOUNT_TOKEN_SECONDS = 24 * 3600


@dataclass(frozen=True)
class Parts:
    """What the life of the control plane hangs on."""

    store: Store
    machine: Machine
    metrics: ApiMetrics


@contextlib.asynccontextmanager
async def assembled(home: Path, ports: Mapping[str, int], credentials: Credentials) -> AsyncIterator[Parts]:
    """Everything, started in the order of who needs whom; ended in the reverse order."""
    async with contextlib.AsyncExitStack() as stack:
        store = await Store.open(home / "store.db", Registry.load(), PLUGINS, GENERAL)
        stack.push_async_callback(store.close)
        client, clock, run = LocalClient(store), SystemClock(), run_dir(home)
        await unready(client, clock)
        for definition in served():
            await client.apply(definition)
        proxies = FileProxy(home / "proxies", run)
        asked = {80: "gateway", 443: "gateway_tls", 8085: "management", 9090: "prometheus"}
        host_ports = {port: ports[name] for port, name in asked.items()}
        machine = Machine(home, run, host_ports, proxies)
        await machine.supervisor.open()
        machine.keep_warm()
        stack.push_async_callback(machine.supervisor.close)

        tokens = Tokens(credentials.token_key, store.read)
        metrics, authorizer, audit = ApiMetrics(), Authorizer(store), Audit(home / "logs" / "kubernetes" / "audit.log")
        stack.callback(audit.close)
        load = stack.enter_context(MeasuredLoad(run, machine.dial, QueueMetrics(metrics.registry)))
        journal = FileJournal(home / "logs" / "autoscaler.jsonl", metrics.registry)
        stack.enter_context(contextlib.closing(journal))
        PodMetrics(metrics.registry, store.read_all, lambda: machine.meter.totals)
        doings = Doings(machine.log_path, machine.dial, machine.meter)
        handlers = plugins(tokens, authorizer, doings, time.time)
        doors = Doors(Authenticator(credentials.admin_token, tokens), authorizer, audit.write)
        app = ApiServer(store, doors, handlers, metrics)
        server = Server(app, ports["kubernetes"], credentials.certificate, credentials.key, credentials.client_ca)
        await server.start()
        stack.push_async_callback(server.stop)

        account_files = partial(_account_files, tokens, credentials)
        made = controllers(client, machine, proxies, load, journal, clock, account_files, credentials, ports)
        manager = Manager(client, clock, made, ManagerMetrics(metrics.registry))
        manager.start()
        stack.push_async_callback(manager.stop)
        metrics.registry.register(CertificateMetrics(client))
        for always in (_lag(metrics), keep(home / "logs"), machine.watch(), _follow_ca(client, home / "ca.crt")):
            stack.callback(asyncio.create_task(always).cancel)
        yield Parts(store, machine, metrics)


def _account_files(tokens: Tokens, credentials: Credentials, pod: Object) -> Mapping[str, bytes]:
    """What a Pod's ServiceAccount is given: a bound token, and a kubeconfig around it."""
    meta, name = pod["metadata"], pod["spec"].get("serviceAccountName", "default")
    namespace, bound = meta["namespace"], {"kind": "Pod", "name": meta["name"], "uid": meta["uid"]}
    token = tokens.issue(namespace, name, _ACCOUNT_TOKEN_SECONDS, bound=bound)
    return {
        "token": token.encode(),
        "ca.crt": credentials.ca_pem.encode(),
        "namespace": namespace.encode(),
        "kubeconfig": credentials.kubeconfig(token, namespace).encode(),
    }


async def serve(home: Path, ports: dict[str, int], ready: int) -> int:
    """Runs until told to stop → exit code: 0 when asked to, 1 when the spawner died."""
    credentials = Credentials.open(home / "pki", ports["kubernetes"])
    credentials.write_kubeconfig(home / "kubeconfig")
    async with assembled(home, ports, credentials) as parts:
        _record(home, ports, parts.store.found)
        os.write(ready, b"1")
        os.close(ready)
        log.info("serving %s", home)
        _collect_rarely()
        return await _until_stopped(parts.machine.supervisor.lost)


def _collect_rarely() -> None:
    """A full collection walks every object that lives, for tens of milliseconds on the loop; a translation of a thousand routes
    would bring about several. What boot has made stays, so it is walked no more."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(5_000, 20, 100)


async def _until_stopped(lost: asyncio.Event) -> int:
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)
    waits = [asyncio.create_task(event.wait()) for event in (told, lost)]
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()
    return 0 if told.is_set() else 1


async def _lag(metrics: ApiMetrics) -> None:
    """How late the loop is at most, of late: everything here waits for it."""
    gauge = Gauge("iiab_event_loop_lag_seconds", "How late the event loop last woke.", registry=metrics.registry)
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + _LAG_SECONDS
        await asyncio.sleep(_LAG_SECONDS)
        gauge.set(max(0.0, loop.time() - due))


async def _follow_ca(client: LocalClient, file: Path) -> None:
    """Whoever trusts the edge by this file finds the roots in it that are trusted now."""
    async for event in client.watch(CONFIG_MAP):
        if key_of(event.object) == ca_bundle.FILE and event.type != "DELETED":
            write_private(file, event.object["data"][ca_bundle.EDGE.entry].encode())


def _record(home: Path, ports: Mapping[str, int], found: str) -> None:
    """What `iiab status`, `down` and every client of this home read."""
    endpoints = {
        "gateway": f"http://localhost:{ports['gateway']}",
        "gateway_tls": f"https://localhost:{ports['gateway_tls']}",
        "management": f"http://localhost:{ports['management']}",
        "prometheus": f"http://localhost:{ports['prometheus']}",
        "kubernetes": f"https://127.0.0.1:{ports['kubernetes']}",
    }
    known = {
        "pid": os.getpid(),
        "started": psutil.Process().create_time(),
        "version": version("iiab-lab"),
        "ports": dict(ports),
        "endpoints": endpoints,
        "store": found,
    }
    write_private(home / "platform.json", json.dumps(known, indent=2).encode())


def main() -> int:
    home, ports, ready = Path(sys.argv[1]), json.loads(sys.argv[2]), int(sys.argv[3])
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    os.umask(0o077)
    try:
        return uvloop.run(serve(home, ports, ready))
    except LabError as error:  # for whoever waits at the other end of the pipe
        log.error("%s", error)
        with contextlib.suppress(OSError):
            os.write(ready, json.dumps({"message": error.message, "cure": error.cure}).encode())
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
