"""A DataFrame over time → a Plotly figure that can be read from the back of a room."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas

# Okabe and Ito's palette: told apart by colour-blind readers and on bad projectors.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#F0E442")
_CONFIG = {"responsive": True, "displaylogo": False, "modeBarButtonsToRemove": ["sendChartToCloud"]}


@dataclass(frozen=True)
class Panel:
    """One plot: a title, a PromQL query, and the unit of its values for the axis."""

    title: str
    query: str
    unit: str
    minutes: float = 3.0


def still(panel: Panel, frame: pandas.DataFrame) -> Any:
    """A plain figure: what papermill keeps and any notebook viewer shows."""
    import plotly.graph_objects as go

    figure = go.Figure(layout=layout(panel))
    for trace in traces(frame):
        figure.add_scatter(**trace)
    return figure


def layout(panel: Panel) -> dict[str, Any]:
    axis = {"showgrid": True, "gridcolor": "#e5e5e5", "title_font": {"size": 16}, "tickfont": {"size": 14}}
    return {
        "title": {"text": panel.title, "font": {"size": 20}},
        "template": "simple_white",
        "font": {"size": 14},
        "xaxis": axis | {"title": {"text": "time (UTC)"}},
        "yaxis": axis | {"title": {"text": panel.unit}, "rangemode": "tozero"},
        "showlegend": True,
        "legend": {"orientation": "h", "y": -0.32, "yanchor": "top", "font": {"size": 14}},
        "height": 440,
        "autosize": True,
        "uirevision": panel.title,
        "margin": {"t": 60, "r": 20},
    }


def traces(frame: pandas.DataFrame) -> list[dict[str, Any]]:
    """Times as ISO strings and gaps as None: what Plotly's widget takes without a doubt."""
    made = []
    times = [moment.isoformat() for moment in frame.index]
    for index, name in enumerate(frame.columns):
        values = [None if value != value else float(value) for value in frame[name].tolist()]
        line = {"color": COLOURS[index % len(COLOURS)], "width": 3}
        made.append({"x": times, "y": values, "name": str(name), "mode": "lines", "line": line})
    return made


def config() -> dict[str, Any]:
    return dict(_CONFIG)
