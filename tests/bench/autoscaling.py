"""Models that come and go with their requests → rows of the table: from zero, a crowd, a step, down again, one replica.

Ten models at a time, because Linux allows a user 128 inotify instances: a platform takes about 30, a model that runs five.
"""

from __future__ import annotations

import statistics
import time
from concurrent.futures import ThreadPoolExecutor

from rich.table import Table

from iiab_lab.traffic.client import Answer
from iiab_lab.traffic.load.call import Call
from iiab_lab.traffic.load.handle import Load, load

from ..e2e.lab import Lab
from .connection import percentile
from .elastic import FLOWER, NAME, Models
from .predictions import bare_server, prediction

COLD, COLD_ROUNDS = tuple(f"cold-{index}" for index in range(10)), 20
CROWD, LOOK = 100, 0.1  # seconds from look to look: they cost the control plane that is measured
STEP = "before=constant:12:15s,step=constant:120:15s"
DOWNS, UP_AND_DOWN = 50, ",".join(40 * ["constant:120:7s,constant:8:13s"])
ONE, CLOSED, ROUNDS = "one-iris", "warm=closed:4:1s,most=closed:4:5s", 3


def rows(lab: Lab, table: Table) -> None:
    models = Models.of(lab)
    with models.served(COLD):
        cold_starts(models, table)
    with models.served([NAME], wait=True):
        crowd(models, table)
        step(models, table)
        scale_downs(models, table)
    for burst, where in (("0", "outside"), ("-1", "in")):
        with models.served([ONE], burst=burst, minReplicas=1, maxReplicas=1, containerConcurrency=0):
            one_replica(lab, models, table, f"the activator {where} its path")


def cold_starts(models: Models, table: Table) -> None:
    """One request to each model, one at a time, whenever all of them have been at zero."""
    answers: list[Answer] = []
    for _ in range(COLD_ROUNDS):
        models.at_zero(COLD)
        for name in COLD:
            assert not models.pods([name])
            answers.append(models.client.predict(name, FLOWER))
    times = [answer.seconds for answer in answers]
    p50, p99, worst = (percentile(times, share) * 1e3 for share in (0.5, 0.99, 1.0))
    what = f"from zero, request → answer, {len(times)} times: p50 / p99 / max"
    bar = "p50 ≤ 200 ms, p99 ≤ 400 ms, every one 200"
    table.add_row(what, f"{p50:.0f} / {p99:.0f} / {worst:.0f} ms, {_odd(answers)} not 200", bar)


def crowd(models: Models, table: Table) -> None:
    """The model waits 50 ms and takes two at a time; five replicas are the most."""
    models.at_zero([NAME])
    began = time.perf_counter()
    with ThreadPoolExecutor(CROWD) as pool:
        answers = list(pool.map(lambda _: models.client.predict(NAME, FLOWER), range(CROWD)))
    seconds = time.perf_counter() - began
    what = f"{CROWD} requests at once into zero: the last answer after"
    table.add_row(what, f"{seconds:.2f} s, {_odd(answers)} not 200", "every one 200")


def step(models: Models, table: Table) -> None:
    """From 12 to 120 requests/s: until as many replicas are ready as the autoscaler asks for in the end."""
    seen: list[tuple[float, int, int]] = []
    run = load(models.client, NAME, STEP)
    while run.running:
        seen.append((time.time(), *models.scale(NAME)))
        time.sleep(LOOK)
    after = run.frame().query("phase == 'step'")
    began, asked = after["time"].min().timestamp(), seen[-1][1]
    reached = next(at for at, _, ready in seen if at >= began and ready >= asked) - began
    p99 = after[after["due"] < after["due"].min() + reached]["latency_ms"].quantile(0.99)
    what = f"12 → 120 requests/s: all {asked} replicas ready after"
    table.add_row(what, f"{reached:.1f} s, p99 meanwhile {p99:.0f} ms, {run.now().failed} failed", "–")


def scale_downs(models: Models, table: Table) -> None:
    """The load comes and goes, and every Pod that is gone while it lasts counts."""
    run, here = load(models.client, NAME, UP_AND_DOWN), models.pods([NAME])
    gone: set[str] = set()
    while run.running and len(gone) < DOWNS:
        now = models.pods([NAME])
        gone, here = gone | (here - now), here | now
        time.sleep(LOOK)
    run.stop()
    said = run.wait().now()
    what = f"failed on {len(gone)} scale-downs under load"
    table.add_row(what, f"{said.failed} of {said.requests:,} requests", "0")


def one_replica(lab: Lab, models: Models, table: Table, how: str) -> None:
    with bare_server(lab) as port:
        calls = {"bare": prediction(f"http://127.0.0.1:{port}"), "path": Call.predict(models.client, ONE)}
        rates = [{name: _rate(call) for name, call in calls.items()} for _ in range(ROUNDS)]
    ratio = statistics.median(each["path"] / each["bare"] for each in rates)
    most = statistics.median(each["path"] for each in rates)
    bar = "≥ 0.6" if "outside" in how else "–"
    table.add_row(f"throughput of one replica over bare, {how}", f"{ratio:.2f} ({most:.0f} requests/s)", bar)


def _rate(call: Call) -> float:
    run = Load(call, CLOSED).wait()
    assert run.passed, run.now().seen
    return float(run.phases().loc["most", "rate"])


def _odd(answers: list[Answer]) -> int:
    return sum(answer.status != 200 for answer in answers)
