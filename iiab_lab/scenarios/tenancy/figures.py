"""What was tried → the isolation matrix, the quota wall, and a neighbour's latency before and after."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...plots.figure import COLOURS, Panel, layout

if TYPE_CHECKING:
    import pandas

_STATES = ("denied", "not isolated", "open")
_SIGNS = {"denied": "✓", "not isolated": "not isolated", "open": "✕"}
_COLOURS = {"denied": COLOURS[0], "not isolated": COLOURS[4], "open": COLOURS[1]}


def matrix(attempts: pandas.DataFrame) -> Any:
    """A Plotly heat map of pairs of tenants × roads: each cell the worst that came of its attempts, and how many they were."""
    import plotly.graph_objects as go

    pairs, roads = _pairs(attempts), list(dict.fromkeys(attempts["road"]))
    cells = [[_cell(attempts, pair, road) for road in roads] for pair in pairs]
    steps = [(index / 3, (index + 1) / 3, _COLOURS[state]) for index, state in enumerate(_STATES)]
    heat = go.Heatmap(
        x=roads,
        y=[f"{actor} → {owner}" for actor, owner in pairs],
        z=[[_STATES.index(state) for state, _ in row] for row in cells],
        text=[[f"{_SIGNS[state]}<br>{count}" for state, count in row] for row in cells],
        texttemplate="%{text}",
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
    return made.update_layout(showlegend=False, height=200 + 60 * len(pairs), margin_t=130)


def _pairs(attempts: pandas.DataFrame) -> list[tuple[str, str]]:
    return list(dict.fromkeys(zip(attempts["actor"], attempts["owner"], strict=True)))


def _cell(attempts: pandas.DataFrame, pair: tuple[str, str], road: str) -> tuple[str, int]:
    mine = attempts[(attempts["actor"] == pair[0]) & (attempts["owner"] == pair[1]) & (attempts["road"] == road)]
    return max(mine["verdict"], key=_STATES.index, default="denied"), len(mine)
