"""A home directory → a running platform, and back: start, find, stop. What `iiab up|down|status|reset` do.

`platform.json` in the home names the control plane by pid and start time, so nothing is ever signalled by name.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil

from ...errors import LabError, NotReady, NotRunning
from ...kube import Kube
from .. import ports
from ..home import component, locked, write_json
from . import bootstrap
from .credentials import write_private
from .processes.rundir import clean_run_dir
from .processes.supervisor import kill_leftovers

RECORD = "platform.json"
# What a reset forgets; stores that were set aside stay.
_STATE = ("store.db", "store.db-*", "pods", "volumes", "logs", "proxies", "pki", "run")
_START_SECONDS, _STOP_SECONDS = 30.0, 20.0


def up(home: Path, setting: str, progress: bootstrap.Progress, password: str = "") -> dict[str, Any]:
    """Boots what does not run, applies the platform, waits until ready → status. Idempotent."""
    with locked(home):
        if find(home) is None:
            progress("control plane", "API server, store and controllers")
            _start(home, ports.choose(setting, home / "ports.json"))
            progress("control plane", "")
            progress(f"store: {record(home)['store']}", "")
        kube = Kube(home / "kubeconfig")
        bootstrap.boot(kube, progress, password)
        _write_ca(kube, home / "ca.crt")
        status = status_of(home)
        write_json(home / "status.json", status)
        return status


def down(home: Path) -> bool:
    """Stops everything this home runs; False if nothing did. Leaves the state."""
    with locked(home):
        process = find(home)
        if process is not None:
            process.terminate()
            with contextlib.suppress(psutil.TimeoutExpired):
                process.wait(_STOP_SECONDS)
            if process.is_running():
                process.kill()  # the spawner sees the end of its socket and takes everything else along
                process.wait(5)
        _sweep(home)
        return process is not None


def reset(home: Path) -> None:
    """Stops the platform and forgets its state: the next `up` starts from the manifests."""
    if not home.exists():
        return
    down(home)
    for path in (found for pattern in _STATE for found in home.glob(pattern)):
        shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)


def find(home: Path) -> psutil.Process | None:
    """The control plane of this home, if it runs: the very process that wrote the record, not a later namesake."""
    with contextlib.suppress(KeyError, psutil.Error):
        known = record(home)
        process = psutil.Process(known["pid"])
        if abs(process.create_time() - known["started"]) < 1 and process.status() != psutil.STATUS_ZOMBIE:
            return process
    return None


def record(home: Path) -> dict[str, Any]:
    """What the control plane wrote of itself: pid, started, version, ports, endpoints; {} where there is none."""
    try:
        known: dict[str, Any] = json.loads((home / RECORD).read_text())
    except (OSError, ValueError):
        return {}
    return known


def status_of(home: Path) -> dict[str, Any]:
    """The form of `iiab status --json`; raises NotRunning where nothing runs."""
    if find(home) is None:
        raise NotRunning(f"No platform runs in {home}.", "start it: iiab up")
    known = record(home)
    components = _components(Kube(home / "kubeconfig"), known)
    return {
        "engine": "embedded",
        "ready": all(component["ready"] for component in components),
        "home": str(home),
        "kubeconfig": str(home / "kubeconfig"),
        "ca": str(home / "ca.crt"),
        "endpoints": known["endpoints"],
        "components": components,
    }


def _components(kube: Kube, known: dict[str, Any]) -> list[dict[str, Any]]:
    pods = kube.list("v1", "Pod")
    own = {"name": "control-plane", "version": known["version"], "ready": True, "restarts": 0}
    found: list[dict[str, Any]] = [own | {"message": f"store found: {known['store']}"}]
    for pod in sorted(pods, key=lambda pod: (pod["metadata"]["namespace"], pod["metadata"]["name"])):
        if (pod.get("status") or {}).get("phase") != "Succeeded":
            found.append(component(pod))
    return found


def _start(home: Path, chosen: dict[str, int]) -> None:
    """Starts the control plane as a daemon and waits for the one byte that says the API server listens, or for why it does not."""
    _sweep(home)
    ports.require_free(chosen)
    reader, writer = os.pipe()
    with open(home / "control-plane.log", "ab") as log:
        os.chmod(home / "control-plane.log", 0o600)
        process = subprocess.Popen(
            [sys.executable, "-m", "iiab_lab.engines.embedded.platform", str(home), json.dumps(chosen), str(writer)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=(writer,),
            start_new_session=True,
            cwd="/",
        )
    os.close(writer)
    readable, _, _ = select.select([reader], [], [], _START_SECONDS)
    said = os.read(reader, 4096) if readable else b""
    os.close(reader)
    if said != b"1":
        process.kill()
        _sweep(home)
        if said:
            raise LabError(**json.loads(said))
        raise NotReady(f"The control plane did not start:\n{_tail(home / 'control-plane.log')}", "run: iiab doctor")


def _sweep(home: Path) -> None:
    """Whatever a crash left: processes by exact identity, sockets, the record."""
    kill_leftovers(home)
    clean_run_dir(home)
    (home / RECORD).unlink(missing_ok=True)


def _write_ca(kube: Kube, path: Path) -> None:
    """The edge's roots, for everyone who verifies its HTTPS: `curl --cacert`. From now on the control plane keeps it so."""
    bundle = kube.get("v1", "ConfigMap", "lab-ca", "istio-system")
    if bundle is not None:
        write_private(path, bundle["data"]["ca.crt"].encode())


def _tail(path: Path, lines: int = 15) -> str:
    return "\n".join("    " + line for line in path.read_text(errors="replace").splitlines()[-lines:])
