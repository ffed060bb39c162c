"""Series of (time, value) → the geometry of a small line chart that a template draws as SVG: paths, ticks, labels."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from .rendering import figure

WIDTH, HEIGHT = 960, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 32, 44, 40
_LINES, _FRESH = 6, 30

Points = list[tuple[float, float]]


@dataclass(frozen=True)
class Tick:
    at: float
    text: str


@dataclass(frozen=True)
class Line:
    """`number` picks its colour and dash, so that neither colour alone nor print alone is needed."""

    name: str
    path: str
    number: int
    latest: str


@dataclass(frozen=True)
class Chart:
    unit: str
    lines: list[Line]
    across: list[Tick]
    up: list[Tick]
    width: int = WIDTH
    height: int = HEIGHT
    left: int = _LEFT
    right: int = WIDTH - _RIGHT
    top: int = _TOP
    bottom: int = HEIGHT - _BOTTOM


def chart(series: Mapping[str, Points], unit: str, last: float, span: float) -> Chart | None:
    """The six lines that are highest, over the `span` seconds until `last`; None where there is nothing to draw."""
    drawn = sorted(series.items(), key=lambda item: (-max((v for _, v in item[1]), default=0), item[0]))[:_LINES]
    if not any(points for _, points in drawn):
        return None
    step = _step(max(value for _, points in drawn for _, value in points))

    def x(when: float) -> float:
        return round(WIDTH - _RIGHT - (last - when) / span * (WIDTH - _LEFT - _RIGHT), 1)

    def y(value: float) -> float:
        return round(HEIGHT - _BOTTOM - value / (4 * step) * (HEIGHT - _TOP - _BOTTOM), 1)

    lines = [
        Line(name, "M" + "L".join(f"{x(when)} {y(value)}" for when, value in points), number, _latest(points, last))
        for number, (name, points) in enumerate(drawn)
    ]
    across = [Tick(x(when), _clock(when)) for when in _round_times(last - span, last)]
    return Chart(unit, lines, across, [Tick(y(i * step), figure(i * step)) for i in range(5)])


def _latest(points: Points, last: float) -> str:
    """A line that ended a while ago is at nothing now."""
    when, value = points[-1]
    return figure(value if last - when < _FRESH else 0)


def _round_times(first: float, last: float) -> list[float]:
    """Whole minutes, five of them or so."""
    step = max(60, round((last - first) / 5 / 60) * 60)
    return [float(when) for when in range(math.ceil(first / step) * step, int(last) + 1, step)]


def _step(highest: float) -> float:
    """A quarter of the axis: 1, 2, 2.5 or 5 times a power of ten."""
    wanted = max(highest, 0.4) / 4
    power = 10.0 ** math.floor(math.log10(wanted))
    return next((n * power for n in (1, 2, 2.5, 5) if n * power >= wanted), 10 * power)


def _clock(when: float) -> str:
    return datetime.fromtimestamp(when, UTC).strftime("%H:%M")
