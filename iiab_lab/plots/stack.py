"""Panels → one figure of rows under one time axis, that follows Prometheus while the notebook runs, or stands still."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..errors import LabError
from ..follow import Follower
from ..target import Target
from . import figure
from .figure import Panel
from .prometheus import Prometheus

if TYPE_CHECKING:
    import pandas

_ROW = 210  # pixels


def stack(target: Target, title: str, panels: Sequence[Panel], every: float = 1.0, token: str = "") -> Any:
    """Live in JupyterLab, still when headless. Put it last in a cell. `every` is in seconds; all rows move in one update.

    With a tenant's `token` it shows the tenant's own series alone.
    """
    prometheus = Prometheus(target, token)
    if os.environ.get("IIAB_HEADLESS"):
        return stacked(title, panels, [prometheus.range(panel.query, panel.minutes) for panel in panels])
    import plotly.graph_objects as go

    widget = go.FigureWidget(layout=layout(title, panels))
    widget._config = figure.config()
    Follower(f"plot {title}", lambda: _tick(widget, title, panels, prometheus), max(0.1, every))
    return widget


def stacked(title: str, panels: Sequence[Panel], frames: Sequence[pandas.DataFrame]) -> Any:
    """A plain figure of frames that are there already, one per panel."""
    import plotly.graph_objects as go

    made = go.Figure(layout=layout(title, panels))
    for trace in _traces(frames):
        made.add_scatter(**trace)
    return made


def _tick(widget: Any, title: str, panels: Sequence[Panel], prometheus: Prometheus) -> None:
    try:
        traces = _traces([prometheus.range(panel.query, panel.minutes) for panel in panels])
    except LabError as error:
        widget.layout.title.text = f"{title} — {error.message}"
        return
    known = {(trace.name, trace.yaxis): trace for trace in widget.data}
    with widget.batch_update():
        widget.layout.title.text = title
        for trace in traces:
            if there := known.get((trace["name"], trace["yaxis"])):
                there.x, there.y = trace["x"], trace["y"]
    for trace in traces:
        if (trace["name"], trace["yaxis"]) not in known:
            widget.add_scatter(**trace)


def _traces(frames: Sequence[pandas.DataFrame]) -> list[dict[str, Any]]:
    """Each row has an axis and a legend of its own."""
    return [
        trace | {"yaxis": f"y{number(row)}", "legend": f"legend{number(row)}"}
        for row, frame in enumerate(frames)
        for trace in figure.traces(frame)
    ]


def layout(title: str, panels: Sequence[Panel]) -> dict[str, Any]:
    """Of a figure of rows. The first panel is on top; the time stands once, below the last."""
    share, plain = 1 / len(panels), figure.layout(Panel(title, "", ""))
    made: dict[str, Any] = {name: plain[name] for name in ("title", "template", "font", "autosize", "uirevision")}
    made["xaxis"] = plain["xaxis"] | {"anchor": f"y{number(len(panels) - 1)}"}
    for row, panel in enumerate(panels):
        top = 1 - row * share
        axis = plain["yaxis"] | {"title": {"text": panel.unit}, "domain": [top - share * 0.82, top], "anchor": "x"}
        made[f"yaxis{number(row)}"] = axis
        made[f"legend{number(row)}"] = {"y": top, "yanchor": "top", "x": 1.01, "title": {"text": panel.title}}
    return made | {"height": _ROW * len(panels) + 90, "showlegend": True, "margin": {"t": 60, "r": 230}}


def number(row: int) -> str:
    """What Plotly appends to the name of a row's axis."""
    return "" if row == 0 else str(row + 1)
