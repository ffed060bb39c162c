"""The storage initializer and a registry: a real HTTP server on loopback, named as a Service of the platform."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from iiab_lab.runtimes import archive

HOST, CODE = "management-service.default.svc.cluster.local", "0123456789abcdef"


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """→ (what it serves, IIAB_HOSTS)."""
    folder = tmp_path / "served"
    folder.mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield folder, f"other.default.svc.cluster.local:80=127.0.0.1:1,{HOST}:80=127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def put(folder: Path, name: str, content: bytes, digest: str = "") -> str:
    """→ its address."""
    digest = digest or hashlib.sha256(content).hexdigest()
    place = folder / "registry" / "tenant-a" / digest / CODE / name
    place.parent.mkdir(parents=True)
    place.write_bytes(content)
    return f"http://{HOST}/registry/tenant-a/{digest}/{CODE}/{name}"


def initialize(source: str, destination: Path, hosts: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "iiab_lab.runtimes.storage", source, str(destination)]
    return subprocess.run(command, env=os.environ | {"IIAB_HOSTS": hosts}, capture_output=True, text=True, timeout=120)


def test_an_artifact_is_fetched_and_what_opens_it_is_not_logged(tmp_path: Path, registry: tuple[Path, str]) -> None:
    folder, hosts = registry
    done = initialize(put(folder, "model.joblib", b"model"), tmp_path / "to", hosts)
    assert done.returncode == 0, done.stderr
    assert [file.name for file in (tmp_path / "to").iterdir()] == ["model.joblib"]
    assert (tmp_path / "to" / "model.joblib").read_bytes() == b"model"
    assert "Copied 1 files" in done.stdout and CODE not in done.stdout + done.stderr


def test_an_archive_is_unpacked(tmp_path: Path, registry: tuple[Path, str]) -> None:
    source = tmp_path / "source"
    (source / "deep").mkdir(parents=True)
    (source / "model.pkl").write_bytes(b"model")
    (source / "deep" / "notes").write_bytes(b"notes")
    archive.pack(source, tmp_path / "model.tar")
    folder, hosts = registry
    done = initialize(put(folder, "model.tar", (tmp_path / "model.tar").read_bytes()), tmp_path / "to", hosts)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "to" / "model.pkl").read_bytes() == b"model"
    assert sorted(file.name for file in (tmp_path / "to").rglob("*")) == ["deep", "model.pkl", "notes"]


@pytest.mark.parametrize(
    ("name", "digest", "said"), [("model.joblib", "a" * 64, "has the digest"), ("", "", "answered 404")]
)
def test_what_is_not_what_was_asked_for_is_refused(
    tmp_path: Path, registry: tuple[Path, str], name: str, digest: str, said: str
) -> None:
    folder, hosts = registry
    source = (
        put(folder, name, b"model", digest) if name else f"http://{HOST}/registry/tenant-a/{'b' * 64}/x/model.joblib"
    )
    done = initialize(source, tmp_path / "to", hosts)
    assert done.returncode == 1 and said in done.stderr and "→" in done.stderr
    assert not list((tmp_path / "to").iterdir())


@pytest.mark.parametrize(
    "source", [f"https://{HOST}/m", "http://example.com/m", f"http://{HOST}.example.com/m", "http://127.0.0.1/m"]
)
def test_no_other_host_is_asked(tmp_path: Path, registry: tuple[Path, str], source: str) -> None:
    done = initialize(source, tmp_path / "to", registry[1])
    assert done.returncode == 1 and "the embedded engine has no http" in done.stderr and not (tmp_path / "to").exists()


class Starting(SimpleHTTPRequestHandler):
    """Hangs up on the first request and is not ready for the second, as a sidecar before its application."""

    asked = 0

    def do_GET(self) -> None:
        Starting.asked += 1
        if Starting.asked == 1:
            self.close_connection = True
        elif Starting.asked == 2:
            self.send_error(503)
        else:
            super().do_GET()


def test_a_registry_that_is_just_starting_is_asked_again(tmp_path: Path) -> None:
    folder = tmp_path / "served"
    folder.mkdir()
    source = put(folder, "model.joblib", b"model")
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Starting, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        done = initialize(source, tmp_path / "to", f"{HOST}:80=127.0.0.1:{server.server_port}")
        server.shutdown()
        thread.join()
    assert done.returncode == 0 and Starting.asked == 3
    assert (tmp_path / "to" / "model.joblib").read_bytes() == b"model"
