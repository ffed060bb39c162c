"""A release and what Prometheus says of it → the rows of its chart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas
import pytest

from iiab_lab.errors import NotRunning
from iiab_lab.plots import rollout as plots
from iiab_lab.plots.prometheus import Prometheus
from iiab_lab.rollout.decide import Hold
from iiab_lab.rollout.driver import Rollout
from iiab_lab.rollout.evidence import Evidence
from iiab_lab.rollout.record import Record
from iiab_lab.rollout.steps import STEPS
from iiab_lab.target import Target

from ..rollout.known import look

BEGAN = 1_800_000_000.0
INDEX = pandas.to_datetime([BEGAN, BEGAN + 1, BEGAN + 2, BEGAN + 3], unit="s", utc=True)
COUNTS = pandas.DataFrame({"baseline": [500.0, 450.2, 90.0, None], "candidate": [None, 49.8, 10.0, None]}, index=INDEX)


@pytest.fixture
def release(monkeypatch: pytest.MonkeyPatch) -> Rollout:
    monkeypatch.setattr(Prometheus, "between", lambda *_: COUNTS)
    made = Rollout(Target("embedded", Path("/none"), "", "", "http://127.0.0.1:1"), "iris", "pvc://iris/v2")
    made.began, made.baseline, made.revision = BEGAN, "iris-predictor-00001", "iris-predictor-00002"
    evidence = Evidence(2)
    for second in (1, 2):
        findings = evidence.look(look(failed=1))
        made.records.append(Record(BEGAN + second, 1, STEPS[0], second, 50 * second, findings, Hold("more")))
    return made


def drawn(release: Rollout) -> dict[tuple[str, str], dict[str, Any]]:
    return {(one["yaxis"], one["name"]): one for one in plots.traces(release, BEGAN - 4, BEGAN + 9)}


def test_the_share_lies_in_its_band_against_what_was_asked(release: Rollout) -> None:
    found = drawn(release)
    share, low, high, asked = (found["y", name] for name in ("candidate", "low", "high", "asked"))
    assert share["y"] == pytest.approx([0.0, 10.0, 10.0])  # seconds without requests have no share
    assert all(a <= b <= c for a, b, c in zip(low["y"], share["y"], high["y"], strict=True))
    assert high["y"][1] - low["y"][1] < high["y"][2] - low["y"][2]  # more requests, a narrower band
    assert asked["y"] == [0.0, 10.0, 10.0] and asked["line"]["shape"] == "hv"


@pytest.mark.parametrize(("outcome", "last"), [("promoted", 100.0), ("rolled back", 0.0), ("paused", 10.0)])
def test_what_is_asked_in_the_end(release: Rollout, outcome: str, last: float) -> None:
    release.outcome, release.ended = outcome, BEGAN + 5
    assert drawn(release)["y", "asked"]["y"][-1] == last


def test_every_criterion_has_a_line_against_its_bound(release: Rollout) -> None:
    found = drawn(release)
    for axis, limit in (("y4", "rolls back"), ("y5", "is shown")):
        lines = {name for which, name in found if which == axis}
        assert lines == {"errors", "latency", "accuracy", "drift", limit}
        assert found[axis, limit]["y"] == [1.0, 1.0]
    assert found["y4", "errors"]["y"][1] > found["y4", "errors"]["y"][0] > 0 == found["y4", "accuracy"]["y"][0]


def test_axes_have_units_and_a_release_that_has_not_begun_is_an_empty_chart(release: Rollout) -> None:
    layout = plots.course(release).layout
    titles = [layout[f"yaxis{number}"].title.text for number in ("", "2", "3", "4", "5")]
    assert titles == ["% of requests", "ms", "requests/s", "1 rolls back", "margins"]
    assert layout.xaxis.title.text == "time (UTC)"
    fresh = Rollout(release.target, "iris", "pvc://iris/v2")
    assert [trace.name for trace in plots.course(fresh).data if trace.name == "asked"] == ["asked"]


def test_a_live_chart_grows_tells_an_outage_and_the_outcome(release: Rollout, monkeypatch: pytest.MonkeyPatch) -> None:
    import plotly.graph_objects as go

    widget = go.FigureWidget(layout=plots.layout("a release", plots.PANELS))
    plots._tick(widget, "a release", release, 1.0)
    count = len(widget.data)
    plots._tick(widget, "a release", release, 1.0)
    assert len(widget.data) == count > 10
    release.outcome = "promoted"
    plots._tick(widget, "a release", release, 1.0)
    assert widget.layout.title.text == "a release: promoted"

    def away(*_: object) -> None:
        raise NotRunning("Prometheus is away.")

    monkeypatch.setattr(Prometheus, "between", away)
    plots._tick(widget, "a release", release, 1.0)
    assert "Prometheus is away." in widget.layout.title.text and len(widget.data) == count


def test_prometheus_is_asked_of_both_even_where_there_is_nothing_yet(release: Rollout) -> None:
    query = plots._by_name(plots._errors, release, {"baseline": "r1", "candidate": "r2"})
    assert query.count("vector(NaN)") == 2 and 'destination_service_name="r2"' in query
    assert '"line", "baseline"' in query and '"line", "candidate"' in query


def test_a_live_chart_ends_with_its_release(release: Rollout, monkeypatch: pytest.MonkeyPatch) -> None:
    import plotly.graph_objects as go

    asked: list[float] = []
    monkeypatch.setattr(Prometheus, "between", lambda *given: asked.append(given[-1]) or COUNTS)
    stopped: list[str] = []
    monkeypatch.setattr(plots, "stop", stopped.append)
    widget = go.FigureWidget(layout=plots.layout("a release", plots.PANELS))
    plots._tick(widget, "a release", release, 1.0)
    assert not stopped
    release.ended, release.outcome = BEGAN + 5, "promoted"
    monkeypatch.setattr(plots.time, "time", lambda: BEGAN + 60)
    plots._tick(widget, "a release", release, 1.0)
    assert set(asked[-3:]) == {BEGAN + 9} and stopped == ["plot a release"]
