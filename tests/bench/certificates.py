"""Renewals and rotations under 100 requests/s over TLS → rows of the table: how long each takes, and what it costs."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

from rich.table import Table

from iiab_lab import renew, rotate_ca, token
from iiab_lab.target import Target
from iiab_lab.traffic.client import InferenceClient
from iiab_lab.traffic.load.handle import load
from iiab_lab.traffic.load.phases import Phase

from ..e2e.lab import Lab

MODEL, RATE, SECONDS, TIMES = "sklearn-iris", 100, 15, 5


def rows(lab: Lab, table: Table) -> None:
    target = Target.connect(lab.home)
    pods = target.kube.list("v1", "Pod", "tenant-a", f"serving.kserve.io/inferenceservice={MODEL}")
    workload = f"pod/{pods[0]['metadata']['name']}"
    changes: dict[str, Callable[[], Any]] = {
        "edge certificate renewed": lambda: renew(target, "ai-inference-gateway-tls", "envoy-gateway-system"),
        "workload's certificate renewed": lambda: renew(target, workload, "tenant-a"),
        "edge CA rotated": lambda: rotate_ca(target, "edge"),
        "mesh CA rotated": lambda: rotate_ca(target, "mesh"),
    }
    client = InferenceClient(target, token(target, "tenant-a"), tls=True)
    for name, change in changes.items():
        run, times = load(client, MODEL, Phase.constant("constant", RATE, SECONDS)), []
        for _ in range(TIMES):
            began = time.perf_counter()
            change()
            times.append(time.perf_counter() - began)
        done = run.wait().now()
        table.add_row(f"{name}, p50 / max of {TIMES}", f"{_ms(statistics.median(times))} / {_ms(max(times))}", "–")
        table.add_row("  requests failed meanwhile", f"{done.failed} of {done.requests:,}", "0")


def _ms(seconds: float) -> str:
    return f"{seconds * 1e3:.0f} ms"
