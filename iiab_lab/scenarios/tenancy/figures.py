"""What was tried → the isolation matrix, the quota wall, and a neighbour's latency before and after."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ...plots.figure import COLOURS, Panel, layout

if TYPE_CHECKING:
    import pandas

_STATES = ("denied", "not isolated", "unproven", "open")
_SIGNS = {"denied": "✓", "not isolated": "not<br>isolated", "unproven": "?", "open": "✕"}
_TICKS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000]
_COLOURS = {"denied": COLOURS[0], "not isolated": COLOURS[4], "unproven": COLOURS[3], "open": COLOURS[1]}


def matrix(attempts: pandas.DataFrame) -> Any:
    """A Plotly heat map of pairs of tenants × roads: each cell the worst that came of its attempts, and how many they were."""
    import plotly.graph_objects as go

    pairs, roads = _pairs(attempts), list(dict.fromkeys(attempts["road"]))
    cells = [[_cell(attempts, pair, road) for road in roads] for pair in pairs]
    many = len(_STATES)
    steps = [(index / many, (index + 1) / many, _COLOURS[state]) for index, state in enumerate(_STATES)]
    heat = go.Heatmap(
        x=roads,
        y=[f"{actor} → {owner}" for actor, owner in pairs],
        z=[[_STATES.index(state) for state, _, _ in row] for row in cells],
        text=[[_told(*cell) for cell in row] for row in cells],
        texttemplate="%{text}",
        textfont={"size": 16},
        hovertemplate="%{y} by %{x}: %{text}<extra></extra>",
        zmin=0,
        zmax=len(_STATES) - 1,
        colorscale=[(at, colour) for start, end, colour in steps for at in (start, end)],
        showscale=False,
        xgap=3,
        ygap=3,
    )
    made = go.Figure(heat, layout=layout(Panel("Who reached whom: ✓ denied, each with its control", "", "")))
    made.update_xaxes(title_text="road, and attempts", side="top", type="category")
    made.update_yaxes(title_text="who tries → whose it is", type="category", autorange="reversed", rangemode="normal")
    return made.update_layout(showlegend=False, height=200 + 70 * len(pairs), margin_t=130)


def wall(creates: pandas.DataFrame, hard: int) -> Any:
    """How many creates had got through, answer by answer, and the quota that none gets past."""
    import plotly.graph_objects as go

    made = go.Figure(layout=layout(Panel("A hundred at once against the quota", "", "objects that exist")))
    numbers = list(range(1, len(creates) + 1))
    line = {"color": COLOURS[0], "width": 4, "shape": "hv"}
    made.add_scatter(x=numbers, y=creates["created"].tolist(), mode="lines", line=line, name="created (201)")
    refused = creates["status"] == 403
    points = {
        "x": [n for n, over in zip(numbers, refused, strict=True) if over],
        "mode": "markers",
        "name": "refused (403)",
    }
    made.add_scatter(
        y=creates["created"][refused].tolist(), marker={"color": COLOURS[1], "symbol": "x", "size": 6}, **points
    )
    made.add_hline(y=hard, line={"color": COLOURS[6], "dash": "dash"}, annotation_text=f"quota: {hard}")
    return made.update_xaxes(title_text="answers, in the order they came")


def neighbour(latencies: Mapping[str, pandas.Series[float]]) -> Any:
    """Of each round, the share of tenant-a's requests that were answered within so many milliseconds."""
    import plotly.graph_objects as go

    made = go.Figure(layout=layout(Panel("tenant-a while tenant-b floods", "", "share of requests, %")))
    for number, (name, found) in enumerate(latencies.items()):
        times = sorted(found)
        shares = [100 * (place + 1) / len(times) for place in range(len(times))]
        made.add_scatter(x=times, y=shares, mode="lines", name=name, line={"color": COLOURS[number], "width": 4})
    return made.update_xaxes(title_text="answered within, ms", type="log", tickvals=_TICKS)


def _pairs(attempts: pandas.DataFrame) -> list[tuple[str, str]]:
    return list(dict.fromkeys(zip(attempts["actor"], attempts["owner"], strict=True)))


def _cell(attempts: pandas.DataFrame, pair: tuple[str, str], road: str) -> tuple[str, int, int]:
    """(the worst that came of them, how many came to that, all)."""
    mine = attempts[(attempts["actor"] == pair[0]) & (attempts["owner"] == pair[1]) & (attempts["road"] == road)]
    worst = max(mine["verdict"], key=_STATES.index, default="denied")
    return worst, int((mine["verdict"] == worst).sum()), len(mine)


def _told(state: str, worst: int, all_: int) -> str:
    if not all_:
        return ""
    return f"{_SIGNS[state]}<br>{all_ if worst == all_ else f'{worst} of {all_}'}"
