"""A program that is confined from its first line: what is its own works, and its arguments and variables open nothing else."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from iiab_lab.runtimes import confine
from iiab_lab.runtimes.confined import MODULE, Own
from iiab_lab.services.listen import OPENED

STORAGE = (sys.executable, "-m", "iiab_lab.runtimes.storage")
TRAINING = (sys.executable, "-m", "iiab_lab.models", "sklearn-iris")


class Pod:
    """A folder that is its own, and a home beside it that is not."""

    def __init__(self, folder: Path) -> None:
        self.own, self.home = folder / "pod", folder / "home"
        for place in (self.own / "tmp", self.own / "in", self.own / "out", self.home):
            place.mkdir(parents=True)
        (self.own / "in" / "model.pkl").write_text("own")
        (self.home / "secret").write_text("secret")

    def run(self, *program: str, connects: Any = (), **environment: str) -> subprocess.CompletedProcess[str]:
        basics = {"PATH": os.environ["PATH"], "HOME": str(self.own), "TMPDIR": str(self.own / "tmp")}
        reads, writes = (str(self.own / "in"),), (str(self.own / "tmp"), str(self.own / "out"))
        given = Own(basics | environment, reads, writes, (), connects)
        argv = (sys.executable, "-m", MODULE, *program)
        clean = {"PATH": os.environ["PATH"], "PYTHONPATH": os.environ.get("PYTHONPATH", "")} | given.words()
        return subprocess.run(argv, env=clean, capture_output=True, text=True, timeout=60)


@pytest.fixture
def pod(tmp_path: Path) -> Pod:
    return Pod(tmp_path)


def test_an_initializer_fetches_what_is_its_own(pod: Pod) -> None:
    done = pod.run(*STORAGE, str(pod.own / "in"), str(pod.own / "out"))
    assert done.returncode == 0, done.stderr
    assert (pod.own / "out" / "model.pkl").read_text() == "own"


@pytest.mark.parametrize("source", ["secret", "", "../pod/in/../../home/secret"])
def test_an_initializer_reads_nothing_else(pod: Pod, source: str) -> None:
    done = pod.run(*STORAGE, str(pod.home / source), str(pod.own / "out"))
    assert done.returncode == 1 and list((pod.own / "out").iterdir()) == [], done.stdout
    assert "is not this Pod's to read or write" in done.stderr, done.stderr


def test_a_link_in_its_own_folder_leads_nowhere(pod: Pod) -> None:
    (pod.own / "in" / "link").symlink_to(pod.home)
    done = pod.run(*STORAGE, str(pod.own / "in" / "link" / "secret"), str(pod.own / "out"))
    assert done.returncode == 1 and "is not this Pod's" in done.stderr, done.stderr


def test_training_writes_where_it_may_and_nowhere_else(pod: Pod) -> None:
    done = pod.run(*TRAINING, f"--output={pod.own / 'out' / 'iris'}")
    assert done.returncode == 0, done.stderr
    assert (pod.own / "out" / "iris" / "model.joblib").exists()
    done = pod.run(*TRAINING, f"--output={pod.home / 'iris'}")
    assert done.returncode == 1 and "PermissionError" in done.stderr
    assert [file.name for file in pod.home.iterdir()] == ["secret"]


def test_what_python_reads_at_its_start_is_not_the_owners_to_say(pod: Pod) -> None:
    (pod.own / "in" / "sitecustomize.py").write_text("import sys; sys.stderr.write('code of my own')")
    done = pod.run(*STORAGE, str(pod.own / "in"), str(pod.own / "out"), PYTHONPATH=str(pod.own / "in"))
    assert done.returncode == 0 and "code of my own" not in done.stderr


def connecting(port: int) -> str:
    return f"""
import json, os, socket
said = dict()
for name, do in dict(
    tcp=lambda: socket.create_connection(("127.0.0.1", {port}), 2).close(),
    other=lambda: socket.create_connection(("127.0.0.1", {port + 1}), 2).close(),
    udp=lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM),
    unix=lambda: socket.socket(socket.AF_UNIX),
    bind=lambda: socket.create_server(("127.0.0.1", 0)).close(),
).items():
    try:
        do()
        said[name] = "done"
    except OSError as error:
        said[name] = type(error).__name__
print(json.dumps(said))
"""


PORTS = confine.available().landlock >= 4  # older kernels tell no port from another
REFUSED, DONE, ABSENT = "PermissionError", "done", "ConnectionRefusedError"


@pytest.mark.parametrize(
    ("network", "expected"),
    [
        ("none", [REFUSED, REFUSED, REFUSED, REFUSED, REFUSED]),
        ("one", [DONE, REFUSED, REFUSED, REFUSED, REFUSED] if PORTS else [DONE, ABSENT, REFUSED, REFUSED, DONE]),
        ("any", [DONE, ABSENT, REFUSED, REFUSED, DONE]),
    ],
)
def test_whom_it_may_connect_to(pod: Pod, network: str, expected: list[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        connects: Any = {"none": (), "one": (port,), "any": None}[network]
        (pod.own / "in" / "walk.py").write_text(connecting(port))
        code = f"import runpy; runpy.run_path({str(pod.own / 'in' / 'walk.py')!r})"
        # A binary of its own: Python itself, which is started in place of what confines it.
        done = pod.run(os.path.realpath(sys.executable), "-I", "-S", "-c", code, connects=connects)
    assert done.returncode == 0, done.stderr
    assert list(json.loads(done.stdout).values()) == expected


def test_its_sockets_are_opened_for_it(pod: Pod) -> None:
    place = pod.own / "tmp" / "s"
    code = f"import os, socket; s = socket.socket(fileno=int(os.environ['{OPENED}8080'])); print(s.getsockname())"
    own = Own({"IIAB_SOCKET_8080": str(place)}, (), (), (8080,))
    argv = (sys.executable, "-m", MODULE, os.path.realpath(sys.executable), "-I", "-S", "-c", code)
    clean = {"PATH": os.environ["PATH"], "PYTHONPATH": os.environ.get("PYTHONPATH", "")} | own.words()
    done = subprocess.run(argv, env=clean, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == str(place), done.stderr
