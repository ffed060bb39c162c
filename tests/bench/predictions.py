"""A prediction as the generator of iiab_lab sends it, what a run of it took, and the bare server it is compared with."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import pandas
import requests

from iiab_lab.traffic.load.call import Call
from iiab_lab.traffic.load.handle import Load

from ..e2e.lab import PREDICT, SETOSA, Lab


def prediction(base: str, headers: dict[str, str] | None = None, path: str = PREDICT) -> Call:
    return Call(base + path, json.dumps(SETOSA), {"Content-Type": "application/json"} | (headers or {}))


def latencies(run: Load) -> pandas.Series[float]:
    """Milliseconds from when each request of the constant phase was due."""
    frame = run.frame()
    return frame[frame["phase"] == "constant"]["latency_ms"]


@contextlib.contextmanager
def bare_server(lab: Lab) -> Iterator[int]:
    """The same model server program, alone on a TCP port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    model = lab.home / "volumes" / "tenant-a" / "models" / "sklearn-iris"
    server = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "iiab_lab.runtimes.sklearn",
            "--model_name=sklearn-iris",
            f"--model_dir={model}",
            f"--http_port={port}",
        ],
        env=os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", f"IIAB_PORT_{port}": str(port)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            with contextlib.suppress(requests.RequestException):
                if requests.get(f"http://127.0.0.1:{port}/v2/health/ready", timeout=1).status_code == 200:
                    break
            time.sleep(0.05)
        yield port
    finally:
        server.terminate()
        server.wait(20)
