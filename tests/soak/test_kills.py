"""One process of each kind dies by SIGKILL in a minute of 100 requests/s to an autoscaled model: what it costs, and for how long.

The scenario's model with two replicas at least; the activator is in its path. Run with `-s` for the figures.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pandas
import psutil
import pytest

from iiab_lab.traffic.load.handle import Load, load
from iiab_lab.traffic.load.phases import Phase

from ..bench.elastic import FLOWER, NAME, Models
from ..e2e.lab import Lab, eventually, running

RATE, SECONDS = 100, 60
MOST_FAILED, RECOVERED = 0.005, pandas.Timedelta(seconds=2)
# What a process is → words of where it runs and what it was started with.
VICTIMS = {
    "model server": f"iiab_lab.runtimes.sklearn --model_name={NAME}",
    "sidecar": f"/proxies/tenant-a/{NAME}",
    "warm parent": "iiab_lab.runtimes.warm",
    "activator": "iiab_lab.engines.embedded.activator",
    "activator's proxy": "/proxies/knative-serving/",
    "Prometheus": "prometheus --config.file",
    "tier 1": "/proxies/envoy-gateway-system/",
    "tier 2": "/proxies/istio-system/",
}


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with running(tmp_path_factory.mktemp("kills") / "home") as lab:
        yield lab


@pytest.fixture(scope="module")
def models(lab: Lab) -> Iterator[Models]:
    models = Models.of(lab)
    with models.served([NAME], wait=True, minReplicas=2):
        yield models


@pytest.mark.parametrize("victim", VICTIMS)
def test_a_kill_costs_at_most_one_request_in_two_hundred_and_two_seconds(lab: Lab, models: Models, victim: str) -> None:
    with _minute(models) as run:
        killed = _kill(_process(lab, VICTIMS[victim]))
        frame = run.wait().frame()
    failed = _failed(frame)
    print(f"\n{victim}: {_told(failed, killed)}")
    assert len(frame) == RATE * SECONDS and len(failed) <= MOST_FAILED * len(frame)
    assert failed[failed["time"] > killed + RECOVERED].empty
    assert _process(lab, VICTIMS[victim])
    eventually(lambda: lab.status()["ready"], 60)


def test_the_control_plane_takes_everything_along_and_up_brings_it_back(lab: Lab, models: Models) -> None:
    """The same addresses serve again while the same requests still come in."""
    with _minute(models) as run:
        family = lab.processes()
        killed = _kill(lab.control_plane())
        assert not psutil.wait_procs(family, timeout=20)[1]
        began = time.perf_counter()
        lab.iiab("up")
        took = time.perf_counter() - began
        failed = _failed(run.wait().frame())
    print(f"\ncontrol plane: {_told(failed, killed)}; iiab up took {took:.1f} s")
    assert models.client.predict(NAME, FLOWER).status == 200
    assert eventually(lambda: len(models.pods([NAME])) >= 2, 60)


@contextlib.contextmanager
def _minute(models: Models) -> Iterator[Load]:
    """From its first third on."""
    eventually(lambda: models.client.predict(NAME, FLOWER).status == 200, 60)
    with load(models.client, NAME, Phase.constant("constant", RATE, SECONDS)) as run:
        eventually(lambda: run.now().requests > RATE * SECONDS / 3, SECONDS)
        yield run


def _process(lab: Lab, words: str) -> psutil.Process:
    found = eventually(lambda: [process for process in lab.processes() if words in _words(process)])
    return min(found, key=psutil.Process.create_time)


def _words(process: psutil.Process) -> str:
    with contextlib.suppress(psutil.Error, OSError):  # it is just dying
        return " ".join([process.cwd(), *process.cmdline()])
    return ""


def _kill(victim: psutil.Process) -> pandas.Timestamp:
    at = pandas.Timestamp(datetime.now(UTC))
    victim.kill()
    psutil.wait_procs([victim], 5)
    return at


def _failed(frame: pandas.DataFrame) -> pandas.DataFrame:
    return frame[frame["status"] != 200]


def _told(failed: pandas.DataFrame, killed: pandas.Timestamp) -> str:
    if failed.empty:
        return f"0 of {RATE * SECONDS} failed"
    first, last = ((failed["time"].agg(which) - killed).total_seconds() for which in ("min", "max"))
    how = failed.groupby(["status", "error"], observed=True).size().to_dict()
    return f"{len(failed)} of {RATE * SECONDS} failed, due {first:+.2f} to {last:+.2f} s after the kill: {how}"
