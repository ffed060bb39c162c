"""What dies comes back without help, or takes everything along and leaves nothing."""

from __future__ import annotations

import json
import signal
import socket
from pathlib import Path

import psutil
import requests

from .lab import PREDICT, SETOSA, Lab, eventually

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"


def predict(lab: Lab, token: str) -> int:
    headers = {"Authorization": f"Bearer {token}"}
    return requests.post(lab.url("gateway") + PREDICT, json=SETOSA, headers=headers, timeout=10).status_code


def model_server(lab: Lab) -> psutil.Process:
    return next(p for p in lab.processes() if "iiab_lab.runtimes.sklearn" in p.cmdline())


def warm(lab: Lab) -> list[psutil.Process]:
    """The warm parent of the model servers and its spares."""
    return [p for p in lab.processes() if "iiab_lab.runtimes.warm" in p.cmdline()]


def spawner(lab: Lab) -> psutil.Process:
    return next(p for p in lab.processes() if any(word.endswith("spawner.py") for word in p.cmdline()))


def objects(lab: Lab) -> set[str]:
    kinds = "isvc,ksvc,revision,deploy,svc,httproute,gateway,secret,configmap,virtualservice"
    found = json.loads(lab.kubectl("get", kinds, "-A", "-o", "json").stdout)["items"]
    return {
        f"{o['kind']}/{o['metadata'].get('namespace')}/{o['metadata']['name']}/{o['metadata']['uid']}" for o in found
    }


def test_a_dead_model_server_is_back_without_help_and_503_at_most_until_then(fresh_lab: Lab) -> None:
    token, victim = fresh_lab.token("tenant-a"), model_server(fresh_lab)
    victim.kill()
    victim.wait(10)
    assert predict(fresh_lab, token) in (200, 503)
    eventually(lambda: predict(fresh_lab, token) == 200, 60)
    assert model_server(fresh_lab).pid != victim.pid


def test_a_model_server_outlives_its_warm_parent_which_comes_back(fresh_lab: Lab) -> None:
    token, server = fresh_lab.token("tenant-a"), model_server(fresh_lab)
    assert server.ppid() == spawner(fresh_lab).pid
    parent = eventually(lambda: min(warm(fresh_lab), key=lambda process: process.create_time()))
    parent.kill()
    assert predict(fresh_lab, token) == 200 and server.is_running()
    eventually(lambda: parent not in warm(fresh_lab) and len(warm(fresh_lab)) > 1, 60)
    assert predict(fresh_lab, token) == 200 and model_server(fresh_lab) == server


def test_identity_restarts_and_its_tokens_live_on(fresh_lab: Lab) -> None:
    token = fresh_lab.token("tenant-a")
    victim = next(p for p in fresh_lab.processes() if "iiab_lab.services.identity" in p.cmdline())
    victim.kill()
    assert predict(fresh_lab, token) == 200  # keys are inlined at the edge
    eventually(lambda: fresh_lab.iiab("token", "tenant-a", check=False).returncode == 0, 60)
    assert predict(fresh_lab, token) == 200


def test_kill_9_of_the_control_plane_leaves_no_orphan_and_up_has_everything_back(fresh_lab: Lab) -> None:
    kills(fresh_lab, fresh_lab.control_plane())
    fresh_lab.iiab("run", str(NOTEBOOKS / "00_start.ipynb"))  # what was ready before is looked at anew


def test_kill_9_of_the_spawner_leaves_no_orphan_and_up_has_everything_back(fresh_lab: Lab) -> None:
    kills(fresh_lab, spawner(fresh_lab))


def kills(lab: Lab, victim: psutil.Process) -> None:
    token, before, family = lab.token("tenant-a"), objects(lab), lab.processes()
    victim.send_signal(signal.SIGKILL)
    _, alive = psutil.wait_procs(family, timeout=20)
    assert not alive
    lab.iiab("up")
    assert before <= objects(lab)
    assert predict(lab, token) == 200


def test_down_leaves_no_process_port_or_socket(fresh_lab: Lab) -> None:
    family, endpoints = fresh_lab.processes(), fresh_lab.status()["endpoints"]
    sockets = [Path(c.laddr) for p in family for c in p.connections("unix") if str(c.laddr).startswith("/tmp/iiab-")]
    assert sockets, "the platform has unix sockets while it runs"
    fresh_lab.iiab("down")
    _, alive = psutil.wait_procs(family, timeout=20)
    assert not alive
    assert not [path for path in sockets if path.exists() or path.parent.exists()]
    for url in endpoints.values():
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", int(url.rsplit(":", 1)[1].split("/")[0]))) != 0, url
    assert fresh_lab.iiab("status", check=False).returncode == 3
    assert "Nothing runs" in fresh_lab.iiab("down").stderr
