"""The panel that sends load: its buttons against a real server, its chart, what it says of bad numbers."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from iiab_lab.target import Target
from iiab_lab.traffic.client import InferenceClient
from iiab_lab.widgets.load import SHAPES, LoadPanel, load_panel

from ..traffic.load.server import Server, fine, hold, serving


def panel(server: Server) -> LoadPanel:
    target = Target("embedded", Path("/none"), f"http://localhost:{server.port}", "", "")
    return LoadPanel(InferenceClient(target), "iris")


def until(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_start_sends_and_the_panel_follows_until_the_end() -> None:
    with serving(fine) as server:
        made = panel(server)
        made.rate.value, made.seconds.value = 50, 1
        made.start.click()
        assert not made.stop.disabled
        until(lambda: made.stop.disabled)
    lines = {line.name: list(line.y) for line in made.chart.data}
    assert "200: 50" in made.numbers.value and "done" in made.numbers.value and len(server.heard) == 50
    assert sum(lines["due /s"]) == sum(lines["answered /s"]) == 50 and sum(lines["failed /s"]) == 0


def test_stop_stops_and_a_second_start_takes_the_place_of_the_first() -> None:
    with serving(hold) as server:
        made = panel(server)
        made.seconds.value = 3600
        made.start.click()
        first = made.run
        made.start.click()
        assert first and made.run and first.ended == "stopped" and made.run.running
        made.stop.click()
        assert made.run.ended == "stopped"
        until(lambda: made.stop.disabled)
    assert "was stopped" in made.numbers.value


def test_what_cannot_be_is_said_in_the_panel() -> None:
    made = LoadPanel(InferenceClient(Target("embedded", Path("/none"), "nowhere", "", "")), "iris")
    made.start.click()
    assert "is no address" in made.numbers.value and "→" in made.numbers.value and made.run is None


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_peaks_at_the_chosen_rate(shape: str) -> None:
    phase = SHAPES[shape](100, 30)
    peak = max(max(piece.start, piece.end) for piece in phase.pieces)
    assert phase.seconds == pytest.approx(30) and (phase.concurrency or peak) == pytest.approx(100, rel=0.01)


def test_headless_there_is_a_line_in_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IIAB_HEADLESS", "1")
    with serving(fine) as server:
        client = panel(server)._client
        assert "iris" in load_panel(client, "iris").data and not server.heard
