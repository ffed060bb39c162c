"""A real Prometheus of its own with series of several namespaces, read from one page that this test serves."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import requests

from iiab_lab.engines.embedded.processes import provide

NAMESPACES = ("mine", "theirs", "others")
METRICS = ("requests_total", "errors_total", "memory_bytes", "up_since")
STEP, POINTS = 5, 60
_RULES = """
groups:
- name: recorded
  interval: 100ms
  rules:
  - {record: "everybody:requests", expr: sum(requests_total)}
  - {record: "namespace:requests", expr: sum by (namespace) (requests_total)}
"""


@dataclass
class Prometheus:
    """`now` is the time of the newest sample, in seconds."""

    url: str
    now: int

    def ask(self, path: str, **params: Any) -> requests.Response:
        with requests.Session() as session:
            session.trust_env = False
            return session.post(f"{self.url}/api/v1/{path}", data=params, timeout=30)

    def query(self, promql: str) -> tuple[bool, Any]:
        """→ whether it was answered, and the result as it compares: by labels, whatever the order."""
        said = self.ask("query", query=promql, time=self.now).json()
        if said["status"] != "success":
            return False, said["error"]
        data = said["data"]
        if data["resultType"] in ("scalar", "string"):
            return True, data["result"][1]
        return True, {
            json.dumps(one["metric"], sort_keys=True): [value for _, value in one.get("values") or [one["value"]]]
            for one in data["result"]
        }


def page(namespaces: Sequence[str], now: int) -> str:
    """Every value is there once: what is counted together shows whose it was. `mark` is in no query of any test."""
    lines = []
    for metric in (*METRICS, *(f"only_{one}_total" for one in namespaces)):
        lines.append(f"# TYPE {metric} gauge")
        for index, namespace in enumerate(NAMESPACES):
            if namespace not in namespaces or (metric.startswith("only_") and metric != f"only_{namespace}_total"):
                continue
            for pod in range(2):
                labels = (
                    f'namespace="{namespace}",pod="pod-{pod}",app="web",only_{namespace}="x",mark="secret-{namespace}"'
                )
                first = (METRICS.index(metric) if metric in METRICS else 9) * 1000 + index * 200 + pod * 100
                samples = ((now - STEP * (POINTS - 1 - point), first + point) for point in range(POINTS))
                lines += [f"{metric}{{{labels}}} {value} {moment * 1000}" for moment, value in samples]
    return "\n".join([*lines, ""])


@contextlib.contextmanager
def running(folder: Path, namespaces: Sequence[str], now: int) -> Iterator[Prometheus]:
    """Ready once everything has been read, and the rules have been at work."""
    with _served(page(namespaces, now)) as source:
        scrape = {
            "job_name": "test",
            "honor_labels": True,
            "static_configs": [{"targets": [source], "labels": {"instance": "page"}}],
        }
        config = {"global": {"scrape_interval": "500ms", "scrape_timeout": "500ms"}, "rule_files": ["rules.yml"]}
        folder.mkdir()
        (folder / "prometheus.yml").write_text(json.dumps({**config, "scrape_configs": [scrape]}))
        (folder / "rules.yml").write_text(_RULES)
        port = _free()
        with subprocess.Popen(
            [
                str(provide.provide()),
                f"--config.file={folder}/prometheus.yml",
                f"--storage.tsdb.path={folder}/data",
                f"--web.listen-address=127.0.0.1:{port}",
                "--log.level=error",
            ],
            stderr=subprocess.DEVNULL,
        ) as process:
            try:
                found = Prometheus(f"http://127.0.0.1:{port}", now)
                _await(found)
                yield found
            finally:
                process.terminate()


def _await(prometheus: Prometheus) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with contextlib.suppress(requests.RequestException, KeyError, ValueError):
            wanted = "count(requests_total) and on () everybody:requests"
            if prometheus.ask("query", query=wanted).json()["data"]["result"]:
                return
        time.sleep(0.05)
    raise AssertionError("Prometheus did not read its page")


@contextlib.contextmanager
def _served(text: str) -> Iterator[str]:
    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def _free() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
