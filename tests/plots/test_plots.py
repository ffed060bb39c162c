"""Frames → figures that can be read, and the thread that keeps a live one up to date."""

from __future__ import annotations

import math
import threading
from pathlib import Path

import pandas
import pytest

from iiab_lab.errors import NotRunning
from iiab_lab.follow import Follower, stop_all
from iiab_lab.plots.figure import COLOURS, Panel, still, traces
from iiab_lab.plots.live import _tick, _widget
from iiab_lab.plots.prometheus import Prometheus, _interrupted, _names
from iiab_lab.target import Target

PANEL = Panel("Requests", "up", "requests per second")
INDEX = pandas.date_range("2026-01-01", periods=3, freq="s", tz="UTC")
FRAME = pandas.DataFrame({"200": [1.0, math.nan, 3.0], "503": [0.0, 0.0, 0.0]}, index=INDEX)


def test_a_figure_has_a_title_a_unit_and_colours_that_differ() -> None:
    figure = still(PANEL, FRAME)
    assert figure.layout.title.text == "Requests" and figure.layout.yaxis.title.text == "requests per second"
    assert figure.layout.xaxis.title.text == "time (UTC)"
    assert [trace.name for trace in figure.data] == ["200", "503"]
    assert len({trace.line.color for trace in figure.data}) == 2 and len(set(COLOURS)) == len(COLOURS)


def test_gaps_are_gaps_and_times_are_iso() -> None:
    first = traces(FRAME)[0]
    assert first["y"] == [1.0, None, 3.0] and first["x"][0] == "2026-01-01T00:00:00+00:00"
    assert traces(pandas.DataFrame()) == []


def test_no_line_leads_through_what_nobody_measured() -> None:
    second = pandas.Timedelta(seconds=1)
    whole = pandas.date_range("2026-01-01", periods=9, freq="s", tz="UTC")
    frame = pandas.DataFrame({"up": 1.0}, index=whole[[0, 1, 5, 6, 8]])
    assert traces(_interrupted(frame, second))[0]["y"] == [1.0, 1.0, None, 1.0, 1.0, None, 1.0]
    assert len(_interrupted(frame[:2], second)) == 2
    assert _interrupted(pandas.DataFrame(), second).empty


def test_series_are_named_by_what_tells_them_apart() -> None:
    assert _names([{"job": "a", "code": "200"}, {"job": "a", "code": "503"}]) == ["200", "503"]
    assert _names([{"job": "a"}]) == ["value"]


class Scripted:
    """In Prometheus's place: one frame after the other, or an error."""

    def __init__(self, *frames: pandas.DataFrame | NotRunning) -> None:
        self.frames = list(frames)

    def range(self, *_: object) -> pandas.DataFrame:
        found = self.frames.pop(0)
        if isinstance(found, NotRunning):
            raise found
        return found


def test_a_live_figure_grows_updates_shows_an_outage_and_recovers() -> None:
    widget = _widget(PANEL)
    source = Scripted(FRAME[["200"]], NotRunning("Prometheus is away."), FRAME * 2)
    _tick(widget, PANEL, source)  # type: ignore[arg-type]
    assert [trace.name for trace in widget.data] == ["200"]
    _tick(widget, PANEL, source)  # type: ignore[arg-type]
    assert "Prometheus is away." in widget.layout.title.text and len(widget.data) == 1
    _tick(widget, PANEL, source)  # type: ignore[arg-type]
    assert widget.layout.title.text == "Requests"
    assert {trace.name: trace.y[0] for trace in widget.data} == {"200": 2.0, "503": 0.0}


def test_the_follower_of_a_key_ends_when_another_takes_it_and_all_end_together() -> None:
    first, second = threading.Event(), threading.Event()
    one = Follower("plot", first.set, 0.01)
    assert first.wait(5)
    Follower("plot", second.set, 0.01)
    assert one._stopped.is_set() and second.wait(5)
    stop_all()
    names = lambda: [thread.name for thread in threading.enumerate() if thread.name == "plot"]  # noqa: E731
    for thread in [thread for thread in threading.enumerate() if thread.name == "plot"]:
        thread.join(5)
    assert names() == []


def test_a_prometheus_that_is_away_is_an_error_with_the_cure() -> None:
    away = Prometheus(Target("embedded", Path("/none"), "", "", "http://127.0.0.1:1"))
    with pytest.raises(NotRunning) as error:
        away.value("up")
    assert "iiab status" in error.value.cure
