"""A Rollout → what to watch while it runs: the share each version gets and was to get, latency, errors, and the evidence."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ..errors import LabError
from ..follow import Follower, stop
from ..rollout.driver import PROMOTED, Rollout
from ..rollout.looks import tier_2
from . import figure
from .figure import COLOURS, Panel
from .prometheus import Prometheus
from .stack import layout, number

if TYPE_CHECKING:
    import pandas

_WINDOW = 3  # seconds that a rate and a share are of
_LEVEL = 0.05  # of the band
_MARGIN = 4.0  # seconds before and after a release that are shown
_BASELINE, _CANDIDATE = "baseline", "candidate"
_COLOUR = {_BASELINE: COLOURS[0], _CANDIDATE: COLOURS[1], "asked": COLOURS[6]}
_SURE = 3.0  # margins: where the axis of the proofs ends

PANELS = (
    Panel(f"share, {100 * (1 - _LEVEL):.0f} % band", "", "% of requests"),
    Panel("latency, p95", "", "ms"),
    Panel("errors", "", "requests/s"),
    Panel("evidence of harm", "", "1 rolls back"),
    Panel("worse by at most", "", "margins"),
)


def watch_rollout(rollout: Rollout, minutes: float = 1.5, every: float = 1.0) -> Any:
    """The live chart, until the release is over. Put it last in a cell, and `rollout.run()` in the next. Still when headless."""
    title = f"{rollout.service}: a release and its evidence"
    if os.environ.get("IIAB_HEADLESS"):
        return course(rollout)
    import plotly.graph_objects as go

    widget = go.FigureWidget(layout=layout(title, PANELS))
    widget._config = figure.config()
    Follower(f"plot {title}", lambda: _tick(widget, title, rollout, minutes), max(0.1, every))
    return widget


def course(rollout: Rollout, margin: float = _MARGIN) -> Any:
    """A plain figure of one that is over, with so many seconds before and after it."""
    import plotly.graph_objects as go

    until = (rollout.ended or time.time()) + margin
    since = (rollout.began or until) - margin
    made = go.Figure(layout=layout(f"{rollout.service}: {rollout.outcome or 'not begun'}", PANELS))
    for trace in traces(rollout, since, until):
        made.add_scatter(**trace)
    return made


def traces(rollout: Rollout, since: float, until: float) -> list[dict[str, Any]]:
    """Of all rows; times in seconds since the epoch."""
    names = {_BASELINE: rollout.baseline, _CANDIDATE: rollout.revision}
    prometheus, found = Prometheus(rollout.target), []
    for row, query in enumerate((_requests, _latency, _errors)):
        frame = prometheus.between(_by_name(query, rollout, names), since, until)
        drawn = _share(frame, rollout, until) if row == 0 else _lines(frame, _COLOUR)
        found += [_placed(trace, row) for trace in drawn]
    rows = rollout.frame()
    for row, value, limit in ((3, rows["against"], "rolls back"), (4, rows["worst"] / rows["margin"], "is shown")):
        judged = rows.assign(value=value.clip(upper=_SURE)).pivot_table(
            index="time", columns="criterion", values="value"
        )
        found += [_placed(trace, row) for trace in _judged(judged, limit)]
    return found


def _tick(widget: Any, title: str, rollout: Rollout, minutes: float) -> None:
    last = rollout.ended + _MARGIN if rollout.ended else float("inf")  # what comes after belongs to the next release
    until = min(time.time(), last)
    try:
        made = traces(rollout, until - 60 * minutes, until)
    except LabError as error:
        widget.layout.title.text = f"{title} - {error.message}"
        return
    known = {(trace.name, trace.yaxis): trace for trace in widget.data}
    with widget.batch_update():
        widget.layout.title.text = f"{title}{': ' * bool(rollout.outcome)}{rollout.outcome}"
        for trace in made:
            if there := known.get((trace["name"], trace["yaxis"])):
                there.x, there.y = trace["x"], trace["y"]
    for trace in made:
        if (trace["name"], trace["yaxis"]) not in known:
            widget.add_scatter(**trace)
    if until == last:
        stop(f"plot {title}")


# What Prometheus is asked of one revision

Query = Any  # (labels) → PromQL


def _requests(labels: str) -> str:
    return f"sum(increase(istio_requests_total{{{labels}}}[{_WINDOW}s]))"


def _latency(labels: str) -> str:
    buckets = f"istio_request_duration_milliseconds_bucket{{{labels}}}"
    return f"histogram_quantile(0.95, sum by (le) (rate({buckets}[{_WINDOW}s])))"


def _errors(labels: str) -> str:
    return f'sum(rate(istio_requests_total{{{labels},response_code=~"5.."}}[{_WINDOW}s])) or vector(0)'


def _by_name(query: Query, rollout: Rollout, names: dict[str, str]) -> str:
    """Both, whether or not there is anything of them yet: two series, told apart by `line`."""
    where = tier_2(rollout.service, rollout.namespace)
    asked = {name: query(f'{where},destination_service_name="{revision}"') for name, revision in names.items()}
    return " or ".join(f'label_replace({one} or vector(NaN), "line", "{name}", "", "")' for name, one in asked.items())


# What is drawn


def _share(frame: pandas.DataFrame, rollout: Rollout, until: float) -> Iterator[dict[str, Any]]:
    """The candidate's share of the last seconds, within its Clopper-Pearson band, against the weight that was asked for."""
    from scipy.stats import beta

    counts = frame.reindex(columns=[_BASELINE, _CANDIDATE]).fillna(0).round()
    counts = counts[counts.sum(axis=1) > 0]
    got, total = counts[_CANDIDATE], counts.sum(axis=1)
    low = beta.ppf(_LEVEL / 2, got, total - got + 1)
    high = beta.ppf(1 - _LEVEL / 2, got + 1, total - got)
    times = [moment.isoformat() for moment in counts.index]
    edge = {"mode": "lines", "line": {"width": 0}, "showlegend": False, "hoverinfo": "skip"}
    yield edge | {"name": "low", "x": times, "y": _percent(low, 0.0)}
    filled = {"fill": "tonexty", "fillcolor": "rgba(213,94,0,0.25)"}
    yield edge | filled | {"name": "high", "x": times, "y": _percent(high, 1.0)}
    line = {"color": _COLOUR[_CANDIDATE], "width": 3}
    yield {"name": _CANDIDATE, "x": times, "y": _percent(got / total, 0.0), "mode": "lines", "line": line}
    asked_times, asked = _asked(rollout, until)
    line = {"color": _COLOUR["asked"], "width": 2, "dash": "dash", "shape": "hv"}
    yield {"name": "asked", "x": asked_times, "y": asked, "mode": "lines", "line": line}


def _percent(values: Any, missing: float) -> list[float]:
    return [100 * (missing if value != value else float(value)) for value in values]


def _asked(rollout: Rollout, until: float) -> tuple[list[str], list[float]]:
    """When which percent was asked for: nothing before the first step, and all or nothing after the last."""
    from datetime import UTC, datetime

    points = [(rollout.began, 0.0)] if rollout.began else []
    for record in rollout.records[:]:
        if record.step.percent != points[-1][1]:
            points.append((record.time - record.seconds, float(record.step.percent)))
    if rollout.ended and rollout.outcome:
        last = points[-1][1] if rollout.outcome == "paused" else 100.0 if rollout.outcome == PROMOTED else 0.0
        points.append((rollout.ended, last))
    if points:
        points.append((until, points[-1][1]))
    return [datetime.fromtimestamp(moment, UTC).isoformat() for moment, _ in points], [value for _, value in points]


def _lines(frame: pandas.DataFrame, colours: dict[str, str]) -> Iterator[dict[str, Any]]:
    for trace in figure.traces(frame):
        trace["line"]["color"] = colours.get(trace["name"], trace["line"]["color"])
        yield trace


def _judged(frame: pandas.DataFrame, limit: str) -> Iterator[dict[str, Any]]:
    """A line for each criterion, in colours of their own, and the bound."""
    for trace, colour in zip(figure.traces(frame), COLOURS[2:], strict=False):
        yield trace | {"line": {"color": colour, "width": 3}}
    ends = [frame.index[0].isoformat(), frame.index[-1].isoformat()] if len(frame) else []
    line = {"color": _COLOUR["asked"], "width": 2, "dash": "dash"}
    yield {"name": limit, "x": ends, "y": [1.0] * len(ends), "mode": "lines", "line": line}


def _placed(trace: dict[str, Any], row: int) -> dict[str, Any]:
    return trace | {"yaxis": f"y{number(row)}", "legend": f"legend{number(row)}"}
