"""All controllers on a real store, with doubles in the place of clock, machine and proxies."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import yaml
from prometheus_client import CollectorRegistry

from iiab_lab.assets import manifests
from iiab_lab.engines.embedded.objects.kinds import POD, Key, Kind
from iiab_lab.engines.embedded.objects.meta import Object
from iiab_lab.engines.embedded.reconcile.local_client import LocalClient
from iiab_lab.engines.embedded.reconcile.manager import Manager, Metrics
from iiab_lab.engines.embedded.store.admission.plugins import GENERAL, PLUGINS
from iiab_lab.engines.embedded.store.registry import Registry
from iiab_lab.engines.embedded.store.store import Store
from iiab_lab.engines.embedded.wiring import controllers
from iiab_lab.kube import documents

from .doubles import RecordedLoad, RecordingMachine, RecordingProxy, SteppedClock, Ticks

_PATIENCE = 10.0
_PORTS = {"gateway": 1, "gateway_tls": 2, "prometheus": 3, "kubernetes": 4}


class World:
    def __init__(self, store: Store) -> None:
        self.store, self.client, self.clock = store, LocalClient(store), SteppedClock()
        self.machine, self.proxy = RecordingMachine(self.clock), RecordingProxy()
        self.load, self.ticks = RecordedLoad(), Ticks()

    def get(self, kind: Kind, name: str, namespace: str = "here") -> Object | None:
        return self.client.get(kind, Key(namespace if kind.namespaced else "", name))

    def names(self, kind: Kind, namespace: str | None = "here") -> list[str]:
        return sorted(obj["metadata"]["name"] for obj in self.client.list(kind, namespace))

    def pods(self, namespace: str = "here") -> list[Object]:
        return self.client.list(POD, namespace)

    async def apply(self, text: str | Iterable[Object]) -> None:
        for obj in yaml.safe_load_all(text) if isinstance(text, str) else text:
            await self.client.apply(obj)

    async def until(self, holds: Callable[[], Any], told: Callable[[], Any] | None = None) -> Any:
        """Lets controllers work until it holds. Real time passes, the clock's does not."""
        deadline = time.monotonic() + _PATIENCE
        while not (seen := holds()):
            assert time.monotonic() < deadline, f"still not so: {told() if told else seen!r}"
            await asyncio.sleep(0.002)
        return seen

    async def passes(self, seconds: float, holds: Callable[[], Any], step: float = 1.0) -> float:
        """Moves the clock in steps until it holds → how many seconds that took."""
        for count in range(int(seconds / step) + 1):
            with contextlib.suppress(TimeoutError):  # a busy machine: the condition alone decides
                await asyncio.wait_for(self.quiet(), 1)
            if holds():
                return count * step
            self.clock.advance(step)
        raise AssertionError(f"not within {seconds} s")

    async def quiet(self) -> None:
        """Until nothing was written for a moment."""
        before = -1
        while before != (before := self.store.revision):
            await asyncio.sleep(0.05)


@contextlib.asynccontextmanager
async def world(folder: Path, *chapters: str) -> AsyncIterator[World]:
    """A running control plane with Namespace `here`, and the manifests of these folders applied."""
    store = await Store.open(folder / "store.db", Registry.load(), PLUGINS, GENERAL)
    made = World(store)
    credentials = SimpleNamespace(ca_pem="PEM", sign_client=lambda request, seconds: b"PEM")
    all_of_them = controllers(
        made.client,
        made.machine,
        made.proxy,
        made.load,
        made.ticks,
        made.clock,
        lambda *_: {"token": b"t"},
        credentials,
        _PORTS,
    )
    manager = Manager(made.client, made.clock, all_of_them, Metrics(CollectorRegistry()))
    manager.start()
    try:
        await made.apply("{apiVersion: v1, kind: Namespace, metadata: {name: here}}")
        for chapter in chapters:
            await made.apply(obj for _, obj in documents(manifests() / chapter))
        yield made
    finally:
        await manager.stop()
        await store.close()


def condition(obj: Object | None, type_: str) -> tuple[str, str]:
    """(status, reason)"""
    found = ((obj or {}).get("status") or {}).get("conditions") or []
    return next(((c["status"], c.get("reason", "")) for c in found if c["type"] == type_), ("", ""))


def in_world(*chapters: str):  # type: ignore[no-untyped-def]
    """Runs an async test `(w: World)` in a world of its own."""

    def decorate(test):  # type: ignore[no-untyped-def]
        def run(tmp_path: Path) -> None:
            async def body() -> None:
                async with world(tmp_path, *chapters) as made:
                    await test(made)

            asyncio.run(body())

        run.__name__, run.__doc__ = test.__name__, test.__doc__
        return run

    return decorate
