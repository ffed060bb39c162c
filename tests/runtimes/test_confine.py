"""Confinement: what code from a model tries, with and without it, in processes of their own."""

from __future__ import annotations

import json
import os
import platform
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from iiab_lab.models import iris
from iiab_lab.models.__main__ import write
from iiab_lab.runtimes import confine, system_calls

from . import hostile
from .test_runtimes import ready, server

_LOADED = "import pickle, sys; pickle.load(open(sys.argv[1], 'rb'))"
_CONFINED = """
import pathlib, pickle, sys
from iiab_lab.runtimes.confine import confine
model, *scratch = map(pathlib.Path, sys.argv[1:])
print(confine([model.parent], scratch), flush=True)
pickle.load(open(model, "rb"))
"""


def python(code: str, *arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, timeout=60)


@pytest.fixture
def targets(tmp_path: Path) -> Iterator[dict[str, Any]]:
    """A home with a secret, a TCP and a unix socket that listen, a process that is not the model's."""
    home = tmp_path / "home"
    (home / "pods").mkdir(parents=True)
    secret = home / "kubeconfig"
    secret.write_text("secret")
    tcp = socket.create_server(("127.0.0.1", 0))
    unix = socket.socket(socket.AF_UNIX)
    unix.bind(str(tmp_path / "s"))
    unix.listen()
    port, pid = tcp.getsockname()[1], os.getpid()
    yield {
        "a file": ("read", str(secret)),
        "a file by another road": ("read", f"/proc/self/root{secret}"),
        "a folder": ("list", str(home)),
        "a process's memory": ("read", f"/proc/{pid}/environ"),
        "the users": ("read", "/etc/passwd"),
        "write": ("write", str(home / "new")),
        "write over": ("write", str(secret)),
        "a link": ("link", str(home / "link")),
        "chmod": ("chmod", str(secret)),
        "truncate": ("truncate", str(secret)),
        "touch": ("touch", str(secret)),
        "tcp": ("tcp", port),
        "udp": ("udp", port),
        "unix": ("unix", str(tmp_path / "s")),
        "unix by a pair": ("pair", str(tmp_path / "s")),
        "a signal": ("signal", pid),
        "a signal by descriptor": ("pidfd", pid),
        "priority": ("priority", pid),
        "limits": ("limit", pid),
        "a program": ("run", "/bin/true"),
        "io_uring": ("io_uring", 4),
    }
    tcp.close()
    unix.close()


def test_what_a_model_tries_is_refused_and_would_work_without(tmp_path: Path, targets: dict[str, Any]) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    model = hostile.save(targets, None, folder / "model.pkl")
    free = hostile.reported(python(_LOADED, model).stdout)
    # A pair is connected already; and some containers keep io_uring for themselves.
    assert {name for name, came in free.items() if came != "done"} <= {"unix by a pair", "io_uring"}
    (tmp_path / "home" / "link").unlink()
    done = python(_CONFINED, model)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Landlock ABI ")
    confined = hostile.reported(done.stdout)
    assert confined.keys() == targets.keys() and set(confined.values()) == {"PermissionError"}, confined


def test_what_a_server_needs_stays(tmp_path: Path) -> None:
    model, scratch = tmp_path / "model", tmp_path / "scratch"
    model.mkdir()
    scratch.mkdir()
    (model / "data.txt").write_text("x")
    kept = {
        "its model": ("read", str(model / "data.txt")),
        "its model's folder": ("list", str(model)),
        "a scratch file": ("write", str(scratch / "new")),
        "python": ("read", json.__file__),
        "itself": ("read", "/proc/self/stat"),
        "nowhere": ("write", "/dev/null"),
        "a signal to itself": ("signal", 0),
    }
    lost = {"its model, to write": ("write", str(model / "data.txt")), "a link": ("link", str(scratch / "l"))}
    said = hostile.reported(python(_CONFINED, hostile.save(kept | lost, None, model / "m.pkl"), scratch).stdout)
    assert {name for name in kept if said[name] != "done"} == {
        "a signal to itself"
    }  # kill(2) is refused whole; raise() is not
    assert all(said[name] == "PermissionError" for name in lost)
    code = "import sys, pathlib; from iiab_lab.runtimes.confine import confine; confine([], []);"
    works = "import os, signal, resource, socket, xml.dom.minidom; signal.raise_signal(0); resource.getrlimit(7); os.urandom(1); socket.socketpair()"
    done = python(code + works)
    assert done.returncode == 0, done.stderr


def test_it_cannot_be_taken_back_and_children_have_it_too(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("x")
    code = """
import os, pathlib, sys
from iiab_lab.runtimes.confine import confine
confine([], [])
confine([pathlib.Path("/")], [])   # a second rule set only takes away
def allowed():
    try:
        return bool(open(sys.argv[1]).read())
    except PermissionError:
        return False
child = os.fork()
if child == 0:
    os._exit(allowed())
print(allowed(), os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    assert python(code, secret).stdout.split() == ["False", "0"]


def test_a_thread_that_would_stay_outside_is_an_error() -> None:
    code = """
import threading
from iiab_lab.runtimes.confine import confine
threading.Thread(target=threading.Event().wait, daemon=True).start()
confine([], [])
"""
    done = python(code)
    assert done.returncode != 0 and "Confinement comes too late: 2 threads run." in done.stderr


def test_this_machine_says_what_it_has() -> None:
    offered = confine.available()
    assert offered.landlock >= 1 and offered.filter and offered.holds
    assert str(offered) == f"Landlock ABI {offered.landlock} and a filter of system calls"
    assert str(confine.Confinement(0, filter=True)) == str(confine.Confinement(7, filter=False)) == "none"


@pytest.mark.parametrize(("abi", "accesses"), [(1, 13), (2, 14), (3, 15), (4, 15), (5, 16), (6, 16), (7, 16)])
def test_each_abi_gets_what_it_knows_and_no_more(abi: int, accesses: int) -> None:
    assert confine._files(abi).bit_count() == accesses
    if abi <= confine.available().landlock:
        os.close(confine._ruleset(abi))


def test_the_filter_names_the_calls_of_this_machine() -> None:
    """Against the kernel's own headers where they are installed, else against Python's knowledge of none."""
    headers = {
        "x86_64": "/usr/include/x86_64-linux-gnu/asm/unistd_64.h",
        "aarch64": "/usr/include/asm-generic/unistd.h",
    }
    header, column = Path(headers[platform.machine()]), ("x86_64", "aarch64").index(platform.machine())
    known = dict(
        line.split()[1:3]
        for line in (header.read_text() if header.exists() else "").splitlines()
        if "__NR_" in line and len(line.split()) == 3
    )
    ours = system_calls._REFUSED | system_calls._ITSELF
    assert len({numbers[column] for numbers in ours.values()} - {None}) == sum(
        n[column] is not None for n in ours.values()
    )
    for name, numbers in ours.items():
        if f"__NR_{name}" in known:
            assert known[f"__NR_{name}"] == str(numbers[column]), name


def test_a_model_server_is_confined_before_it_loads_and_serves_all_the_same(
    tmp_path: Path, targets: dict[str, Any]
) -> None:
    folder, scratch = tmp_path / "iris", tmp_path / "tmp"
    scratch.mkdir()
    estimator, report = iris.train()
    write(folder, estimator, report)
    hostile.save({**targets, "scratch": ("write", str(scratch / "x"))}, estimator, folder / "model.joblib")
    process = server(folder, tmp_path / "app", TMPDIR=str(scratch))
    try:
        with httpx.Client(transport=httpx.HTTPTransport(uds=str(tmp_path / "app")), base_url="http://x") as client:
            ready(process, client)
            answer = client.post("/v1/models/iris:predict", json={"instances": [[5.1, 3.5, 1.4, 0.2]]}).json()
            metrics = client.get("/metrics").text
    finally:
        process.terminate()
    said, _ = process.communicate(timeout=20)
    assert answer == {"predictions": [0]}
    assert (
        "process_resident_memory_bytes" in metrics and 'request_predict_seconds_count{model_name="iris"} 1.0' in metrics
    )
    outcomes = hostile.reported(said)
    assert outcomes.pop("scratch") == "done"
    assert set(outcomes.values()) == {"PermissionError"}, outcomes
    assert "Confinement: Landlock ABI" in said and "POST /v1/models/iris" in said
    assert "Finished server process" in said  # requests under way were answered: SIGTERM is heard
