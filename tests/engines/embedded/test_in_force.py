"""What an Envoy says is in force: its active listeners, clusters and secrets, not what drains or warms; and who does not answer."""

from __future__ import annotations

import contextlib
import json
import socketserver
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from iiab_lab.engines.embedded import in_force
from iiab_lab.engines.embedded.objects.kinds import Key
from iiab_lab.engines.embedded.processes.rundir import admin_socket, clean_run_dir, run_dir

POD = Key("here", "web")


def trusting(root: str) -> dict[str, Any]:
    common = {"validation_context": {"trusted_ca": {"inline_string": root}}}
    return {"filter_chains": [{"transport_socket": {"typed_config": {"common_tls_context": common}}}]}


SAID = {
    "dynamic_listeners": [
        {"name": "a", "active_state": {"listener": trusting("A")}, "draining_state": {"listener": trusting("OLD")}},
        {"name": "b", "warming_state": {"listener": trusting("NEW")}},
    ],
    "dynamic_active_clusters": [{"cluster": trusting("B")}, {"cluster": {"name": "plain"}}],
    "dynamic_active_secrets": [
        {"secret": {"name": "default", "tls_certificate": {"certificate_chain": {"inline_string": "CHAIN"}}}}
    ],
}


class Admin(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = json.dumps({"configs": SAID[self.path.partition("=")[2]]}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None: ...

    def address_string(self) -> str:
        return ""


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    clean_run_dir(tmp_path)


@contextlib.contextmanager
def answering(home: Path, pod: Key) -> Iterator[None]:
    path = str(admin_socket(run_dir(home), pod))
    with socketserver.ThreadingUnixStreamServer(path, Admin) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield
        server.shutdown()


def test_only_what_is_active_counts(home: Path) -> None:
    with answering(home, POD):
        found = in_force.of_pod(home, POD)
    assert found == in_force.InForce(["A", "B"], {"default": "CHAIN"})


def test_who_does_not_answer_is_left_out(home: Path) -> None:
    admin_socket(run_dir(home), Key("here", "gone")).touch()
    with answering(home, POD):
        assert len(list(in_force.everywhere(home))) == 1
    assert in_force.of_pod(home, Key("here", "gone")) is None
