"""A Panel → a figure that follows Prometheus while the notebook runs, or stands still where nobody watches.

Under papermill and nbval (`IIAB_HEADLESS`) a plain figure is drawn once. In JupyterLab the figure is a widget, updated in
one message per tick.
"""

from __future__ import annotations

import os
from typing import Any

from ..errors import LabError
from ..follow import Follower
from ..target import Target
from . import figure
from .figure import Panel
from .prometheus import Prometheus


def show(
    target: Target, title: str, query: str, unit: str, minutes: float = 3.0, every: float = 1.0, token: str = ""
) -> Any:
    """The figure of a query: live in JupyterLab, still when headless. Put it last in a cell. `every` is in seconds.

    With a tenant's `token` it shows the tenant's own series alone.
    """
    panel, prometheus = Panel(title, query, unit, minutes), Prometheus(target, token)
    if os.environ.get("IIAB_HEADLESS"):
        return figure.still(panel, prometheus.range(query, minutes))
    widget = _widget(panel)
    Follower(f"plot {title}", lambda: _tick(widget, panel, prometheus), max(0.1, every))
    return widget


def _widget(panel: Panel) -> Any:
    import plotly.graph_objects as go

    widget = go.FigureWidget(layout=figure.layout(panel))
    widget._config = figure.config()
    return widget


def _tick(widget: Any, panel: Panel, prometheus: Prometheus) -> None:
    try:
        traces = figure.traces(prometheus.range(panel.query, panel.minutes))
    except LabError as error:
        widget.layout.title.text = f"{panel.title} — {error.message}"
        return
    known = {trace.name: trace for trace in widget.data}
    with widget.batch_update():
        widget.layout.title.text = panel.title
        for trace in traces:
            if trace["name"] in known:
                known[trace["name"]].x, known[trace["name"]].y = trace["x"], trace["y"]
    for trace in traces:
        if trace["name"] not in known:
            widget.add_scatter(**trace)
