"""How 10, 100 and 1,000 HTTPRoutes weigh on the edge: until a change is in force, what it serves, what it takes → rows of the table."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import requests
from rich.table import Table

from iiab_lab.kube import Kube
from iiab_lab.traffic.load.handle import Load

from ..e2e.lab import Lab, eventually
from .predictions import latencies, prediction

API, NAMESPACE, SELECTOR = "gateway.networking.k8s.io/v1", "tenant-a", "bench=routes"
SIZES, CHANGES, AT_ONCE = (10, 100, 1000), 100, 8
PLAN = "warm=closed:4:1s,most=closed:4:5s,constant:300:8s"


def rows(lab: Lab, table: Table) -> None:
    edge, have = Edge(lab), 0
    try:
        edge.create(0, edge.redirecting("probe"))
        for size in SIZES:
            edge.grow(have + 1, size)
            have = size
            times = sorted(edge.change(f"{size}-{index}") for index in range(CHANGES))
            p50, p99 = statistics.median(times) * 1e3, times[int(0.99 * len(times))] * 1e3
            bar = "p99 ≤ 100 ms" if size <= 100 else "p99 ≤ 250 ms"
            table.add_row(
                f"{size} HTTPRoutes: applied → in force, p50 / p99 of {CHANGES}", f"{p50:.0f} / {p99:.0f} ms", bar
            )
            rate, p50, p99 = edge.served()
            table.add_row("  most predictions; p50 / p99 at 300/s", f"{rate:.0f}/s; {p50:.2f} / {p99:.2f} ms", "–")
            table.add_row("  the edge's Envoy, RSS / PSS", edge.memory(), "–")
    finally:
        edge.clear()


class Edge:
    def __init__(self, lab: Lab) -> None:
        self._lab, self._kube = lab, Kube(lab.home / "kubeconfig")
        self._url, self._client = lab.url("gateway"), requests.Session()
        self._client.trust_env = False
        self._path = self._kube.path(API, "HTTPRoute", NAMESPACE)
        model = self._kube.get(API, "HTTPRoute", "sklearn-iris", NAMESPACE) or {}
        self._parents, (self._rule, *_) = model["spec"]["parentRefs"], model["spec"]["rules"]

    def grow(self, first: int, last: int) -> None:
        """By routes to the model's own backend, over TLS, each with a path of its own; until the last has its verdict."""
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(lambda index: self.create(index, self._leading(f"/bench/{index}")), range(first, last)))
        eventually(lambda: "status" in self._kube.raw("GET", f"{self._path}/bench-{last - 1:04}").json(), 120)

    def create(self, index: int, rules: list[Any]) -> None:
        meta = {"name": f"bench-{index:04}", "namespace": NAMESPACE, "labels": dict([SELECTOR.split("=")])}
        spec = {"parentRefs": self._parents, "hostnames": ["bench.example.org"], "rules": rules}
        self._kube.raw(
            "POST", self._path, json={"apiVersion": API, "kind": "HTTPRoute", "metadata": meta, "spec": spec}
        )

    def _leading(self, path: str) -> list[Any]:
        return [{**self._rule, "matches": [{"path": {"type": "PathPrefix", "value": path}}], "filters": []}]

    def redirecting(self, where: str) -> list[Any]:
        filters = [{"type": "RequestRedirect", "requestRedirect": {"hostname": f"{where}.example.org"}}]
        return [{"matches": [{"path": {"type": "Exact", "value": "/probe"}}], "filters": filters}]

    def change(self, where: str) -> float:
        """Seconds from sending a change of one route to the first answer of the edge that shows it."""
        body, began = {"spec": {"rules": self.redirecting(where)}}, time.perf_counter()
        self._kube.merge(API, "HTTPRoute", "bench-0000", NAMESPACE, body)
        while where not in self._probe():
            pass
        return time.perf_counter() - began

    def _probe(self) -> str:
        answer = self._client.get(f"{self._url}/probe", headers={"Host": "bench.example.org"}, allow_redirects=False, timeout=10)  # fmt: skip
        return answer.headers.get("location", "")

    def served(self) -> tuple[float, float, float]:
        """Requests per second at most, and milliseconds at 300 per second, of the model's own route."""
        token = {"Authorization": f"Bearer {self._lab.token('tenant-a')}"}
        run = Load(prediction(self._url, token), PLAN).wait()
        tail = latencies(run)
        return float(run.phases().loc["most", "rate"]), tail.quantile(0.5), tail.quantile(0.99)

    def memory(self) -> str:
        (envoy,) = self._envoys()
        seen = envoy.memory_full_info()
        return f"{seen.rss / 2**20:.0f} / {seen.pss / 2**20:.0f} MiB"

    def _envoys(self) -> Iterator[psutil.Process]:
        for process in self._lab.processes():
            if process.name().startswith("envoy") and "envoy-gateway-system" in Path(process.cwd()).parts:
                yield process

    def clear(self) -> None:
        self._kube.raw("DELETE", f"{self._path}?labelSelector={SELECTOR}")
