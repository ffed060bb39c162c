"""Load from its own process against a real server: what it measures, admits, counts, and how it ends. No test asserts how
long anything took: only which of two moments came first.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import aiohttp.web
import numpy
import pandas
import psutil
import pytest

from iiab_lab.errors import TrafficError, UsageError
from iiab_lab.follow import stop_all
from iiab_lab.target import Target
from iiab_lab.traffic.client import InferenceClient
from iiab_lab.traffic.load.bounds import Bounds
from iiab_lab.traffic.load.call import Call
from iiab_lab.traffic.load.handle import Load, load
from iiab_lab.traffic.load.phases import Phase

from .server import Server, fine, hold, serving

SECOND = Phase.constant("second", rate=100, seconds=1)
FOR_EVER = Phase.constant("for ever", rate=100, seconds=3600)


def until(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def is_delayed_by_the_stall(frame: pandas.DataFrame) -> bool:
    """Nobody was answered before the last was due, so each waited at least from its own moment until that one."""
    least = (frame["due"].iloc[-1] - frame["due"]) * 1e3
    return bool((frame["latency_ms"] >= least - 0.01).all())


def test_a_plan_is_sent_as_planned_and_counted_by_phase_by_second_and_by_request() -> None:
    with serving(fine) as server:
        run = Load(server.call(), [SECOND, Phase.ramp("ramp", 0, 200, 1), Phase.constant("none", 0, 0.2)]).wait()
    frame, phases, seconds = run.frame(), run.phases(), run.seconds()
    assert run.ended == "done" and run.passed and not run.running
    assert len(server.heard) == len(frame) == 200 and phases["requests"].tolist() == [100, 100, 0]
    assert phases["planned"].tolist() == [100, 100, 0] and phases["ok"].sum() == 200
    assert numpy.allclose(frame["due"][:100], numpy.arange(100) / 100)
    assert (frame["latency_ms"] > frame["lateness_ms"]).all() and (frame["lateness_ms"] >= 0).all()
    assert seconds["due"].sum() == seconds["ended"].sum() == 200 and seconds["failed"].sum() == 0
    assert seconds["phase"].tolist()[:2] == ["second", "ramp"] and seconds["in_flight"].iloc[-1] == 0
    ordered = phases.loc["second", ["p50_ms", "p90_ms", "p99_ms", "p99.9_ms", "max_ms"]].astype(float)
    assert ordered.is_monotonic_increasing and ordered["max_ms"] == pytest.approx(frame["latency_ms"][:100].max())
    assert phases.loc["none"]["statuses"] == {} and pandas.isna(phases.loc["none"]["p50_ms"])
    assert run.now().seen == {200: 200} and "second" in run._repr_html_()


def test_a_stalled_server_shows_in_every_request_it_delays() -> None:
    with serving(hold) as server, Load(server.call(), SECOND) as run:
        until(lambda: run.now().in_flight == len(server.heard) == 100)
        assert run.frame().empty
        server.release()
        frame = run.wait().frame()
    assert len(frame) == 100 and is_delayed_by_the_stall(frame)


def test_also_in_requests_that_could_not_be_sent_for_want_of_a_connection() -> None:
    with serving(hold) as server, Load(server.call(), SECOND, Bounds(connections=1)) as run:
        until(lambda: run.now().waiting == 99)
        assert len(server.heard) == 1
        server.release()
        frame, phases = run.wait().frame(), run.phases()
    assert is_delayed_by_the_stall(frame) and phases["held"].item() == 99 and phases["ok"].item() == 100
    assert any("99 requests waited for one of 1 connections" in line for line in run.warnings())


def test_who_never_got_a_connection_counts_as_failed_with_the_time_waited() -> None:
    crowd = Phase.constant("crowd", rate=100_000, seconds=0.002)
    with serving(hold) as server:
        run = Load(server.call(), crowd, Bounds(connections=1, timeout=0.3)).wait()
    row, frame = run.phases().loc["crowd"], run.frame()
    assert row["requests"] == row["failed"] == len(frame) == 200 and row["unsent"] > 0
    assert row["errors"].keys() == {"timeout", "unsent"} and len(server.heard) <= 200 - row["unsent"]
    assert (frame["latency_ms"] >= 290).all() and not run.passed
    assert any("were never sent" in line for line in run.warnings())


def test_a_generator_that_was_starved_says_so() -> None:
    with serving(fine) as server, Load(server.call(), Phase.constant("starved", 200, 2)) as run:
        until(lambda: run.now().requests >= 20)
        os.kill(run.pid, signal.SIGSTOP)
        threading.Event().wait(0.5)  # while it cannot run
        os.kill(run.pid, signal.SIGCONT)
        frame, row = run.wait().frame(), run.phases().loc["starved"]
    assert row["requests"] == row["ok"] == 400 and row["held"] == 0
    assert row["late_max_ms"] > 400 and row["late_p99_ms"] > 100
    assert (frame["latency_ms"] >= frame["lateness_ms"]).all()
    assert any("starved: the generator could not keep up" in line for line in run.warnings())


def test_a_generator_asked_for_more_than_a_core_can_do_says_so() -> None:
    with serving(fine) as server:
        run = Load(server.call(), Phase.constant("flood", 400_000, 0.1), Bounds(connections=16)).wait()
    assert run.phases().loc["flood", "requests"] == 40_000 and run.warnings()
    assert run.phases().loc["flood", "rate"] < 400_000


def test_users_of_a_closed_loop_wait_for_their_answers() -> None:
    most = 0

    async def counted(server: Server, request: object) -> aiohttp.web.StreamResponse:
        nonlocal most
        most = max(most, len(server.heard) - len(server.answered))
        server.answered.append(1)
        return await fine(server, request)

    with serving(counted) as server:
        run = Load(server.call(), Phase.closed("users", 3, 1)).wait()
    row = run.phases().loc["users"]
    assert row["requests"] == row["ok"] == len(server.heard) > 3 and most <= 3 and pandas.isna(row["planned"])


def test_statuses_errors_and_revisions_are_counted() -> None:
    async def mixed(server: Server, request: aiohttp.web.Request) -> aiohttp.web.StreamResponse:
        kind = len(server.heard) % 4
        if kind == 3 and request.transport:
            request.transport.abort()
        revision = {"Knative-Serving-Revision": f"iris-0000{kind}"} if kind < 2 else {}
        return aiohttp.web.Response(status=503 if kind == 2 else 200, headers=revision)

    with serving(mixed) as server:
        run = Load(server.call(), SECOND).wait()
    row, frame = run.phases().loc["second"], run.frame()
    assert row["statuses"] == {200: 50, 503: 25} and row["revisions"] == {"iris-00000": 25, "iris-00001": 25}
    assert sum(row["errors"].values()) == 25 == (frame["status"] == 0).sum()
    assert row["errors"].keys() <= {"disconnected", "connection reset by peer"}
    assert row["ok"] == 50 and row["failed"] == 50 and not run.passed
    assert (frame[frame["status"] == 503]["revision"] == "").all()
    assert sum(run.now().seen.values()) == 100 and run.now().failed == 50
    assert run.seconds()["failed"].sum() == 50


def test_another_header_may_tell_the_revision() -> None:
    async def told(server: Server, request: object) -> aiohttp.web.StreamResponse:
        return aiohttp.web.Response(headers={"x-revision": "seven"})

    with serving(told) as server:
        run = Load(server.call(revision_header="X-Revision"), Phase.constant("few", 20, 0.5)).wait()
    assert run.phases().loc["few", "revisions"] == {"seven": 10}


def test_nobody_there_is_counted_and_a_closed_loop_does_not_spin() -> None:
    with serving(fine) as server:
        call = server.call()
    run = Load(call, [Phase.constant("open", 20, 0.5), Phase.closed("users", 2, 1)]).wait()
    assert run.phases().loc["open", "errors"] == {"connection refused": 10}
    assert 2 <= run.phases().loc["users", "requests"] <= 2 * 11


def test_a_redirect_is_an_answer() -> None:
    async def elsewhere(server: Server, request: object) -> aiohttp.web.StreamResponse:
        return aiohttp.web.Response(status=302, headers={"Location": "http://example.com/"})

    with serving(elsewhere) as server:
        run = Load(server.call(), Phase.constant("few", 20, 0.5)).wait()
    assert (
        run.phases().loc["few", "statuses"] == {302: 10}
        and len(server.heard) == 10
        and run.phases()["failed"].sum() == 10
    )


def test_the_bound_on_requests_ends_a_run_and_is_told() -> None:
    with serving(fine) as server:
        run = Load(server.call(), FOR_EVER, Bounds(requests=50)).wait()
    assert run.ended == "bound" and not run.passed and len(run.frame()) == len(server.heard) == 50
    assert "bound of 50 requests" in run.warnings()[0]


def test_stop_ends_it_with_what_is_in_flight_counted_as_stopped() -> None:
    with serving(hold) as server:
        run = Load(server.call(), FOR_EVER, Bounds(connections=5))
        until(lambda: run.now().waiting >= 5)
        run.stop()
        row = run.wait().phases().loc["for ever"]
        assert not run.running and run.ended == "stopped" and not psutil.pid_exists(run.pid)
        assert row["errors"] == {"stopped": row["requests"]} and row["failed"] == 0 and row["ok"] == 0
        run.stop()  # again changes nothing
    assert "was stopped after" in run.warnings()[0]


def test_the_end_of_a_block_and_stop_all_end_a_run() -> None:
    with serving(fine) as server:
        with Load(server.call(), FOR_EVER) as run:
            until(lambda: run.now().requests)
        assert run.ended == "stopped"
        other = Load(server.call(), FOR_EVER)
        stop_all()
        assert other.ended == "stopped" and not psutil.pid_exists(other.pid)


PARENT = """
import signal
import sys
from iiab_lab.traffic.load.call import Call
from iiab_lab.traffic.load.handle import Load
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job is born ignoring it
run = Load(Call(sys.argv[1]), "constant:10:1h")
print(run.pid, flush=True)
run.wait()
"""


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT])
def test_the_generator_dies_with_its_parent(end: signal.Signals) -> None:
    with serving(fine) as server:
        command = [sys.executable, "-c", PARENT, server.call().url]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as parent:
            assert parent.stdout
            child = psutil.Process(int(parent.stdout.readline()))
            parent.send_signal(end)
            parent.wait(20)
            assert not psutil.wait_procs([child], timeout=20)[1]


def test_a_generator_that_is_killed_is_an_error_and_what_it_measured_stays() -> None:
    with serving(fine) as server:
        run = Load(server.call(), FOR_EVER)
        until(lambda: run.now().requests >= 10)
        os.kill(run.pid, signal.SIGKILL)
        with pytest.raises(TrafficError, match="ended early"):
            run.wait()
    assert run.ended == "died" and len(run.frame()) >= 10 and "died after" in run.warnings()[0]


def test_a_generator_that_cannot_start_says_why() -> None:
    with pytest.raises(TrafficError, match=r"did not start: .*No such file"):
        Load(Call("https://127.0.0.1:1/", ca="/no/such/ca"), SECOND)


def target(server: Server) -> Target:
    return Target("embedded", Path("/none"), f"http://localhost:{server.port}", "https://localhost:1", "")


@pytest.mark.parametrize("v2", [False, True])
def test_a_prediction_goes_out_as_the_inference_client_sends_it(v2: bool) -> None:
    with serving(fine) as server:
        client = InferenceClient(target(server), "t0ken")
        load(client, "iris", Phase.constant("few", 20, 0.5), rows=[[1.0, 2.0]], v2=v2).wait()
        (client.infer if v2 else client.predict)("iris", [[1.0, 2.0]])
    sent, expected = server.heard[0], server.heard[-1]
    assert len(server.heard) == 11
    assert {sent[name] for name in ("path", "Authorization", "Content-Type")} == {
        expected[name] for name in ("path", "Authorization", "Content-Type")
    }
    assert json.loads(sent["body"]) == json.loads(expected["body"])


async def echo(server: Server, request: aiohttp.web.Request) -> aiohttp.web.StreamResponse:
    (row,) = json.loads(server.heard[-1]["body"])["instances"]
    return aiohttp.web.json_response({"predictions": row}, headers={"Knative-Serving-Revision": f"m-{row[0]:.0f}"})


def test_each_request_draws_its_row_and_the_answer_is_kept_beside_it() -> None:
    rows = [[1.0], [2.0], [3.0]]
    with serving(echo) as server:
        client = InferenceClient(target(server))
        frame = Load(Call.each(client, "iris", rows), SECOND).wait().frame()
    assert sorted({text["body"] for text in server.heard}) == [json.dumps({"instances": [row]}) for row in rows]
    for asked, answer, revision in zip(frame["asked"], frame["answer"], frame["revision"], strict=True):
        assert json.loads(answer) == {"predictions": rows[asked]} and revision == f"m-{rows[asked][0]:.0f}"
    assert frame["asked"].value_counts().min() > 15


def test_answers_are_kept_only_where_that_was_asked_for_and_they_are_short() -> None:
    async def long(server: Server, request: object) -> aiohttp.web.StreamResponse:
        return aiohttp.web.Response(text="x" * 1000)

    for handler, keep in ((fine, False), (long, True)):
        with serving(handler) as server:
            assert set(Load(server.call(keep=keep), Phase.constant("few", 20, 0.5)).wait().frame()["answer"]) == {""}


def test_load_goes_to_loopback_and_to_the_targets_own_hosts_alone() -> None:
    for address in ("http://example.com/", "http://10.0.0.1:80/", "ftp://127.0.0.1/", "nothing"):
        with pytest.raises(UsageError):
            Call(address)
    with pytest.raises(UsageError, match="neither this machine nor the platform"):
        Call("http://127.0.0.1/", resolve={"127.0.0.1:80": "192.0.2.1:80"})
    cluster = Target("cluster", Path("/none"), "http://192.0.2.1", "https://edge.example", "")
    assert Call.predict(InferenceClient(cluster), "m").url.startswith("http://192.0.2.1/")
    with pytest.raises(UsageError):
        Call.of(InferenceClient(cluster, tls=True, resolve={"edge.example:443": "192.0.2.9:443"}), "/", {})


@pytest.mark.parametrize(
    "bounds", [{"connections": 0}, {"requests": -1}, {"timeout": float("nan")}, {"connections": 10**9}]
)
def test_bounds_that_bound_nothing_are_refused(bounds: dict[str, float]) -> None:
    with pytest.raises(UsageError) as error:
        Bounds(**bounds)  # type: ignore[arg-type]
    assert "at most" in error.value.cure


def test_plans_that_meet_a_bound_from_the_start_are_refused() -> None:
    with pytest.raises(UsageError, match="20 users"):
        Load(Call("http://127.0.0.1:1/"), Phase.closed("c", 20, 1), Bounds(connections=10))
    with pytest.raises(UsageError, match="cut it"):
        Load(Call("http://127.0.0.1:1/"), [Phase.constant("half", 1, 50_000)] * 2)
