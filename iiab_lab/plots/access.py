"""A table of who may call whom → a heat map: callers by workloads, told apart by colour and by a sign."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .figure import COLOURS, Panel, layout

if TYPE_CHECKING:
    import pandas

_VERDICTS = ("denied", "asked", "allowed")
_SIGNS = {"denied": "✕", "asked": "?", "allowed": "✓"}
_COLOURS = {"denied": COLOURS[1], "asked": COLOURS[4], "allowed": COLOURS[0]}
_ROW, _MARGIN = 28, 220


def heat_map(frame: pandas.DataFrame, request: str) -> Any:
    """`frame`: verdicts, callers by workloads, as `Answer.frame` has them."""
    import plotly.graph_objects as go

    rows = frame.to_numpy().tolist()
    steps = [(index / 3, (index + 1) / 3, _COLOURS[verdict]) for index, verdict in enumerate(_VERDICTS)]
    cells = go.Heatmap(
        x=list(frame.columns),
        y=list(frame.index),
        z=[[_VERDICTS.index(verdict) for verdict in row] for row in rows],
        text=[[_SIGNS[verdict] for verdict in row] for row in rows],
        customdata=rows,
        texttemplate="%{text}",
        hovertemplate="%{y} → %{x}: %{customdata}<extra></extra>",
        zmin=0,
        zmax=len(_VERDICTS) - 1,
        colorscale=[(at, colour) for start, end, colour in steps for at in (start, end)],
        showscale=False,
        xgap=2,
        ygap=2,
    )
    made = go.Figure(cells, layout=layout(Panel(f"Who may: {request}", "", "")))
    made.update_xaxes(title_text="workload", type="category", tickangle=-30, automargin=True)
    made.update_yaxes(title_text="caller", type="category", autorange="reversed", automargin=True)
    return made.update_layout(showlegend=False, height=_MARGIN + _ROW * len(frame))
