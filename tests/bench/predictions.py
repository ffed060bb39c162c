"""A prediction as the generator of iiab_lab sends it, and what a run of it took."""

from __future__ import annotations

import json

import pandas

from iiab_lab.traffic.load.call import Call
from iiab_lab.traffic.load.handle import Load

from ..e2e.lab import PREDICT, SETOSA


def prediction(base: str, headers: dict[str, str] | None = None, path: str = PREDICT) -> Call:
    return Call(base + path, json.dumps(SETOSA), {"Content-Type": "application/json"} | (headers or {}))


def latencies(run: Load) -> pandas.Series[float]:
    """Milliseconds from when each request of the constant phase was due."""
    frame = run.frame()
    return frame[frame["phase"] == "constant"]["latency_ms"]
