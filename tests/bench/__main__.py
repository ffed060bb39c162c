"""`make bench`: boots a platform of its own and prints each figure of the quality bars beside its bar."""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil
import requests
from rich.console import Console
from rich.table import Table

from iiab_lab.traffic.load.handle import Load

from ..e2e.lab import PREDICT, SETOSA, Lab
from . import api, authentication, autoscaling, certificates, publishing, rollout, routes, tenancy
from .predictions import bare_server, latencies, prediction

ROUNDS, IDLE = 3, 10
PLAN = "warm=closed:4:1s,most=closed:4:5s,constant:300:10s"


class Growing(Table):
    """Each row is told as it comes, too: all of them take twenty minutes."""

    def add_row(self, *cells: Any, **style: Any) -> None:
        super().add_row(*cells, **style)
        Console(stderr=True).print(": ".join(cells[:2]), highlight=False)


def main() -> None:
    table = Growing("figure", "measured", "bar", title=f"{os.cpu_count()} cores, {platform_name()}")
    with tempfile.TemporaryDirectory(prefix="iiab-bench-") as folder:
        lab = Lab(Path(folder) / "home")
        try:
            authentication.rows(table)  # while nothing else runs
            first_200(lab, table)
            idle(lab, table)
            memory(lab, table)
            traffic(lab, table)
            in_force(lab, table)
            publishing.rows(lab, table)
            api.rows(lab, table)
            autoscaling.rows(lab, table)
            rollout.rows(lab, table)
            certificates.rows(lab, table)
            tenancy.rows(lab, table)
            routes.rows(lab, table)
        finally:
            lab.iiab("down", check=False)
            Console().print(table)


def platform_name() -> str:
    return f"{sys.platform}, Python {sys.version_info.major}.{sys.version_info.minor}"


def first_200(lab: Lab, table: Table) -> None:
    """`iiab up` → an authenticated 200 through both tiers: in an empty home (trains the model), then in a used one."""
    table.add_row("iiab up → first 200, empty home", f"{boot(lab):.2f} s", "–")
    times = []
    for _ in range(ROUNDS):
        lab.iiab("down")
        times.append(boot(lab))
    table.add_row("iiab up → first 200, used home", f"{statistics.median(times):.2f} s (max {max(times):.2f})", "≤ 6 s")


def boot(lab: Lab) -> float:
    began = time.perf_counter()
    lab.iiab("up")
    status = lab.status()
    token = lab.token("tenant-a")
    answer = requests.post(
        status["endpoints"]["gateway"] + PREDICT, json=SETOSA, headers={"Authorization": f"Bearer {token}"}, timeout=10
    )
    assert answer.status_code == 200, answer.text
    return time.perf_counter() - began


def idle(lab: Lab, table: Table) -> None:
    """Nobody asks for anything: what the control plane alone takes, and all of the platform."""
    family = {process.pid: process for process in lab.processes()}
    before = {pid: sum(process.cpu_times()[:2]) for pid, process in family.items()}
    time.sleep(IDLE)
    share = {pid: (sum(family[pid].cpu_times()[:2]) - spent) / IDLE * 100 for pid, spent in before.items()}
    own = share[lab.control_plane().pid]
    table.add_row(f"CPU of the idle platform over {IDLE} s", f"{sum(share.values()):.1f} % of one core", "–")
    table.add_row("  of it the control plane", f"{own:.1f} %", "–")


def memory(lab: Lab, table: Table) -> None:
    total = 0
    for process in lab.processes():
        pss = process.memory_full_info().pss
        total += pss
        name = " ".join(Path(word).name for word in process.cmdline()[:3])[:44]
        table.add_row(f"  PSS {name}", f"{pss / 2**20:.0f} MiB", "")
    table.add_row("PSS of the idle platform", f"{total / 2**20:.0f} MiB", "≤ 1.1 GB")


def traffic(lab: Lab, table: Table) -> None:
    """The bare model server against the whole path, in turn, in one run."""
    token = {"Authorization": f"Bearer {lab.token('tenant-a')}"}
    with bare_server(lab) as bare:
        targets = {"bare": prediction(f"http://127.0.0.1:{bare}"), "whole path": prediction(lab.url("gateway"), token)}
        runs: dict[str, list[Load]] = {name: [] for name in targets}
        for _ in range(ROUNDS):
            for name, call in targets.items():
                runs[name].append(Load(call, PLAN).wait())
    rates = {name: [float(run.phases().loc["most", "rate"]) for run in runs[name]] for name in targets}
    tails = {name: [latencies(run) for run in runs[name]] for name in targets}
    for name in targets:
        p50, p95, p99 = (statistics.median(tail.quantile(q) for tail in tails[name]) for q in (0.5, 0.95, 0.99))
        failed = sum(run.now().failed for run in runs[name])
        table.add_row(
            f"{name}: p50/p95/p99 at 300 requests/s", f"{p50:.2f} / {p95:.2f} / {p99:.2f} ms, {failed} failed", ""
        )
        table.add_row(
            f"{name}: highest throughput, 4 connections", f"{statistics.median(rates[name]):.0f} requests/s", ""
        )
    added = statistics.median(
        w.quantile(0.99) - b.quantile(0.99) for w, b in zip(tails["whole path"], tails["bare"], strict=True)
    )
    table.add_row("p99 added by the path at 300 requests/s", f"{added:+.2f} ms", "≤ +2 ms")
    ratio = statistics.median(w / b for w, b in zip(rates["whole path"], rates["bare"], strict=True))
    table.add_row("throughput, whole path over bare", f"{ratio:.2f}", "≥ 0.6")


def in_force(lab: Lab, table: Table) -> None:
    """An HTTPRoute is patched; how long until the edge behaves so."""
    from iiab_lab.kube import Kube

    kube, token = Kube(lab.home / "kubeconfig"), lab.token("tenant-a")
    url, session = lab.url("gateway") + PREDICT, requests.Session()
    session.headers["Authorization"] = f"Bearer {token}"
    path = kube.path("gateway.networking.k8s.io/v1", "HTTPRoute", "tenant-a", "sklearn-iris")
    original = kube.raw("GET", path).json()["spec"]["rules"]
    times = []
    for index in range(50):
        rules = json.loads(json.dumps(original))
        for rule in rules:
            rule.setdefault("filters", []).append(
                {
                    "type": "ResponseHeaderModifier",
                    "responseHeaderModifier": {"set": [{"name": "x-round", "value": str(index)}]},
                }
            )
        began = time.perf_counter()
        kube.raw(
            "PATCH", path, json={"spec": {"rules": rules}}, headers={"Content-Type": "application/merge-patch+json"}
        )
        while session.post(url, json=SETOSA, timeout=10).headers.get("x-round") != str(index):
            pass
        times.append(time.perf_counter() - began)
    kube.raw(
        "PATCH", path, json={"spec": {"rules": original}}, headers={"Content-Type": "application/merge-patch+json"}
    )
    p50, p99 = statistics.median(times) * 1e3, max(times) * 1e3
    table.add_row("HTTPRoute applied → in force, p50 / max of 50", f"{p50:.0f} / {p99:.0f} ms", "p99 ≤ 100 ms")


if __name__ == "__main__":
    psutil.cpu_percent()  # starts the counters
    main()
