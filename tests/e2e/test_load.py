"""`iiab load` against the whole platform: both protocols, TLS, what is refused, and what its exit code says."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pandas
import psutil
import pytest

from iiab_lab.traffic.load.call import Call
from iiab_lab.traffic.load.handle import Load
from iiab_lab.traffic.load.phases import Phase

from .lab import Lab, eventually

MODEL = "sklearn-iris"


@pytest.mark.parametrize("how", [[], ["--v2"], ["--tls"], ["--concurrency", "3"]])
def test_predictions_at_a_rate_are_all_answered(lab: Lab, tmp_path: Path, how: list[str]) -> None:
    rate = [] if "--concurrency" in how else ["--rate", "40"]
    done = lab.iiab("load", MODEL, *rate, *how, "--seconds", "1", "--json", "--csv", str(tmp_path / "requests.csv"))
    said = json.loads(done.stdout)
    (phase,) = said["phases"]
    assert said["passed"] and said["ended"] == "done" and phase["statuses"] == {"200": phase["requests"]}
    assert "--concurrency" in how or phase["requests"] == 40
    frame = pandas.read_csv(tmp_path / "requests.csv")
    assert len(frame) == phase["requests"] and (frame["status"] == 200).all()


def test_a_plan_is_shown_phase_by_phase_and_a_refusal_is_exit_code_1(lab: Lab) -> None:
    done = lab.iiab("load", MODEL, "--plan", "warm=constant:10:1s,sine:10-20:1s", "--tenant", "tenant-b", check=False)
    assert done.returncode == 1 and "warm" in done.stdout and "sine" in done.stdout and "401: 10" in done.stdout


def test_a_certificate_nobody_trusts_fails_every_request_by_that_name(lab: Lab) -> None:
    run = Load(Call(lab.url("gateway_tls") + "/"), Phase.constant("few", 10, 1)).wait()
    assert run.now().seen == {"certificate not trusted": 10}


def test_ctrl_c_stops_it_and_leaves_nothing(lab: Lab) -> None:
    command = [sys.executable, "-m", "iiab_lab.cli", "load", MODEL, "--rate", "10", "--seconds", "1h"]
    with subprocess.Popen(command, env=lab.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as load:
        (child,) = eventually(lambda: psutil.Process(load.pid).children())
        load.send_signal(signal.SIGINT)
        load.communicate(timeout=30)
        assert load.returncode == 130 and not psutil.wait_procs([child], timeout=20)[1]


WRONG = {
    "nothing said of how much": ([MODEL], "--rate"),
    "two ways at once": ([MODEL, "--rate", "1", "--concurrency", "1"], "Say one of"),
    "a plan that is none": ([MODEL, "--plan", "sometimes"], "constant:RATE:SECONDS"),
    "a rate below zero": ([MODEL, "--rate", "-1"], "requests/s"),
    "no length": ([MODEL, "--rate", "1", "--seconds", "long"], "30s"),
    "no such model": (["no-such", "--rate", "1"], MODEL),
    "no such tenant": ([MODEL, "--rate", "1", "--tenant", "nobody"], "tenant-a"),
    "rows that are none": ([MODEL, "--rate", "1", "--rows", "flower"], "--rows"),
    "no folder": ([MODEL, "--rate", "1", "--csv", "/no/such/folder/x.csv"], "mkdir"),
    "no connection": ([MODEL, "--rate", "1", "--connections", "0"], "connections"),
}


@pytest.mark.parametrize("words", WRONG)
def test_bad_input_is_an_error_with_the_cure(lab: Lab, words: str) -> None:
    said, cure = WRONG[words]
    done = lab.iiab("load", *said, check=False)
    assert done.returncode == 2 and cure in done.stderr and "→" in done.stderr and "Traceback" not in done.stderr
