"""Any one process dies by SIGKILL while requests come in, again and again: the platform is whole after each."""

from __future__ import annotations

import contextlib
import random
import threading
import time
from pathlib import Path

import psutil
import pytest

from iiab_lab.traffic.load.handle import Load
from iiab_lab.traffic.load.phases import Phase

from ..bench.predictions import prediction
from ..e2e.lab import Lab, eventually, running
from ..e2e.test_recovery import objects, predict

ROUNDS, RATE, SECONDS = 2, 100, 60
SEED = 20260101


def victims(lab: Lab) -> dict[str, psutil.Process]:
    """What runs for a Pod (proxies, model server, identity, Prometheus), by where it runs."""
    spawner = next(p for p in lab.processes() if any(word.endswith("spawner.py") for word in p.cmdline()))
    found = {}
    for process in spawner.children():
        with contextlib.suppress(psutil.Error, OSError):  # it is just dying
            found[f"{process.cwd()} {process.cmdline()[:3]}"] = process
    return found


def test_every_process_dies_in_turn_and_comes_back(tmp_path: Path) -> None:
    """Each as often as the others: the back-off of one that is killed again and again grows to minutes."""
    chance = random.Random(SEED)
    with running(tmp_path / "home") as lab:
        token, before, everybody = lab.token("tenant-a"), objects(lab), sorted(victims(lab))
        for _ in range(ROUNDS):
            for name in chance.sample(everybody, len(everybody)):
                dead = victims(lab)[name]
                dead.kill()
                eventually(lambda name=name, dead=dead: victims(lab).get(name, dead) != dead, 60)
                eventually(lambda: lab.status()["ready"], 60)
                assert eventually(lambda: predict(lab, token) == 200, 30), name
                assert before <= objects(lab), name
        family = lab.processes()
        lab.iiab("down")
        assert not psutil.wait_procs(family, timeout=20)[1]


@pytest.mark.parametrize("who", ["envoy-gateway-system", "istio-system", "tenant-a"])
def test_a_proxy_killed_under_load_costs_at_most_one_request_in_two_hundred(tmp_path: Path, who: str) -> None:
    with running(tmp_path / "home") as lab:
        headers = {"Authorization": f"Bearer {lab.token('tenant-a')}"}
        proxy = next(p for name, p in victims(lab).items() if f"/proxies/{who}/" in name)
        timer = threading.Timer(SECONDS / 4, proxy.kill)
        timer.start()
        run = Load(prediction(lab.url("gateway"), headers), Phase.constant("constant", RATE, SECONDS)).wait()
        assert not proxy.is_running()
        assert run.now().seen.get(200, 0) >= 0.995 * SECONDS * RATE, run.now().seen


def test_up_and_down_again_and_again_forgets_and_leaks_nothing(tmp_path: Path) -> None:
    with running(tmp_path / "home") as lab:
        token, before = lab.token("tenant-a"), objects(lab)
        for _ in range(8):
            family = lab.processes()
            lab.control_plane().kill()
            assert not psutil.wait_procs(family, timeout=20)[1]
            began = time.monotonic()
            lab.iiab("up")
            assert time.monotonic() - began < 120
            assert predict(lab, token) == 200 and before <= objects(lab)
