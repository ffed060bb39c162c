"""What a published model costs on its way in, and how soon a change of it holds → rows of the table."""

from __future__ import annotations

import statistics
import time

import pandas
from rich.table import Table

from iiab_lab.traffic.load.handle import Load

from ..e2e.lab import Lab
from ..e2e.management import HOST, Edge, Management
from .predictions import latencies, prediction

MODEL, PATH, ROUNDS, TIMES = "bench-iris", "/bench", 3, 20
UNLIMITED = {"requestsPerMinute": 1_000_000, "requestsPerHour": 100_000_000}
PLAN = "warm=closed:4:1s,constant:300:8s"


def rows(lab: Lab, table: Table) -> None:
    admin = Management(lab, lab.token("admin"))
    admin.create(MODEL)
    try:
        latency(lab, admin, table)
        changes(lab, admin, table)
    finally:
        admin.remove(MODEL)


def latency(lab: Lab, admin: Management, table: Table) -> None:
    """By key and with limits, against the plain route by token: the same proxies, another model of the same kind."""
    key = admin.publish(MODEL, externalPath=PATH, rateLimiting=UNLIMITED)
    by_token = {"Authorization": f"Bearer {lab.token('tenant-a')}"}
    targets = {
        "token": prediction(lab.url("gateway"), by_token),
        "key and limits": prediction(lab.url("gateway"), {"Host": HOST, "x-api-key": key}, PATH),
    }
    tails: dict[str, list[pandas.Series[float]]] = {name: [] for name in targets}
    for _ in range(ROUNDS):
        for name, call in targets.items():
            tails[name].append(latencies(Load(call, PLAN).wait()))
    added = {
        q: statistics.median(
            k.quantile(q) - t.quantile(q) for k, t in zip(tails["key and limits"], tails["token"], strict=True)
        )
        for q in (0.5, 0.99)
    }
    table.add_row(
        "API key and rate limit, added p50/p99 at 300 requests/s", f"{added[0.5]:+.2f} / {added[0.99]:+.2f} ms", "–"
    )
    admin.ok("DELETE", f"/api/models/{MODEL}/publish")


def changes(lab: Lab, admin: Management, table: Table) -> None:
    """From sending the request to the first answer of the edge that shows it."""
    edge, publish, revoke, answered = Edge(lab), [], [], []
    for _ in range(TIMES):
        began = time.perf_counter()
        key = admin.publish(MODEL, externalPath=PATH, rateLimiting=UNLIMITED)
        answered.append(time.perf_counter() - began)
        publish.append(_until(edge, key, 200, began))
        added = admin.ok("POST", f"/api/models/{MODEL}/keys", {"name": "bench"})
        _until(edge, added["apiKey"], 200, began)
        began = time.perf_counter()
        admin.ok("DELETE", f"/api/models/{MODEL}/keys/{added['keyId']}")
        revoke.append(_until(edge, added["apiKey"], 401, began))
        admin.ok("DELETE", f"/api/models/{MODEL}/publish")
    for name, times in (
        ("publish → answered", answered),
        ("publish → in force", publish),
        ("revoke → in force", revoke),
    ):
        table.add_row(
            f"{name}, p50 / max of {TIMES}", f"{statistics.median(times) * 1e3:.0f} / {max(times) * 1e3:.0f} ms", "–"
        )


def _until(edge: Edge, key: str, status: int, began: float) -> float:
    while edge.predict(PATH, key).status_code != status:
        pass
    return time.perf_counter() - began
