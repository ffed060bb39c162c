"""A client and a model → a panel that sends load in a chosen shape, with live numbers and a chart of what came back."""

from __future__ import annotations

import html
import os
from collections.abc import Callable
from typing import Any

from ..errors import LabError
from ..follow import Follower
from ..plots import figure
from ..plots.figure import Panel
from ..traffic.client import InferenceClient
from ..traffic.load.handle import Load, load
from ..traffic.load.phases import Phase

_EVERY = 0.5
_ERROR = "<b style='color:#b00020'>{}</b>"
_CHART = Panel("Load: requests and latency", "", "requests per second · ms")
_LINES = {
    "due": "due /s",
    "ended": "answered /s",
    "failed": "failed /s",
    "in_flight": "in flight",
    "p50_ms": "p50 ms",
    "p99_ms": "p99 ms",
}

# shape → a Phase of it that peaks at `rate`
SHAPES: dict[str, Callable[[float, float], Phase]] = {
    "constant": lambda rate, seconds: Phase.constant("constant", rate, seconds),
    "ramp": lambda rate, seconds: Phase.ramp("ramp", 0, rate, seconds),
    "step": lambda rate, seconds: Phase.step("step", rate / 5, rate, seconds),
    "spike": lambda rate, seconds: Phase.spike("spike", rate / 10, rate, seconds),
    "sine": lambda rate, seconds: Phase.sine("sine", 0, rate, seconds, seconds / 3),
    "poisson": lambda rate, seconds: Phase.constant("poisson", rate, seconds).poisson(),
    "closed": lambda rate, seconds: Phase.closed("closed", max(1, round(rate)), seconds),
}


def load_panel(client: InferenceClient, model: str) -> Any:
    """The panel: put it last in a cell. When headless, where nobody can press a button, a line that says so."""
    if os.environ.get("IIAB_HEADLESS"):
        from IPython.display import HTML

        return HTML(f"<p>In JupyterLab: a panel that sends load to <code>{html.escape(model)}</code>.</p>")
    return LoadPanel(client, model).box


class LoadPanel:
    """`box` is what is shown; `run` the load that runs or ran last."""

    def __init__(self, client: InferenceClient, model: str) -> None:
        import ipywidgets

        self._client, self._model = client, model
        self.run: Load | None = None
        self._follower: Follower | None = None
        self.shape = ipywidgets.Dropdown(options=list(SHAPES), description="shape")
        self.rate = ipywidgets.BoundedFloatText(50.0, min=0.1, max=5000, description="rate, users")
        self.seconds = ipywidgets.BoundedFloatText(30.0, min=1, max=3600, description="seconds")
        self.start = ipywidgets.Button(description="Start", icon="play", button_style="success")
        self.stop = ipywidgets.Button(description="Stop", icon="stop", disabled=True)
        self.numbers, self.chart = ipywidgets.HTML(), _chart()
        self.start.on_click(lambda _: self.begin())
        self.stop.on_click(lambda _: self.end())
        knobs = ipywidgets.HBox([self.shape, self.rate, self.seconds, self.start, self.stop])
        self.box = ipywidgets.VBox([knobs, self.numbers, self.chart])

    def begin(self) -> None:
        """A load that still runs is stopped first: two would be one that nobody chose."""
        self.end()
        try:
            phase = SHAPES[self.shape.value](self.rate.value, self.seconds.value)
            self.run = load(self._client, self._model, phase)
        except LabError as error:
            self.numbers.value = _ERROR.format(html.escape(str(error)))
            return
        self.stop.disabled = False
        self._follower = Follower(f"load panel {id(self)}", self.tick, _EVERY)

    def end(self) -> None:
        if self.run and self.run.running:
            self.run.stop()

    def tick(self) -> None:
        """Draws; the last time once the run is over."""
        run = self.run
        assert run
        over = not run.running  # looked at first, so that the last picture holds everything
        self.numbers.value = _numbers(run)
        draw(self.chart, run)
        if over:
            self.stop.disabled = True
            if self._follower:
                self._follower.stop()


def _chart() -> Any:
    import plotly.graph_objects as go

    chart = go.FigureWidget(layout=figure.layout(_CHART))
    chart._config = figure.config()
    return chart


def draw(chart: Any, run: Load) -> None:
    """The whole run, one point per second, in one message."""
    seconds = run.seconds()
    traces = figure.traces(seconds[list(_LINES)].rename(columns=_LINES))
    with chart.batch_update():
        for drawn, trace in zip(chart.data, traces, strict=False):
            drawn.x, drawn.y = trace["x"], trace["y"]
    if not chart.data:
        chart.add_traces([{"type": "scatter"} | trace for trace in traces])


def _numbers(run: Load) -> str:
    now = run.now()
    seen = " · ".join(f"{html.escape(str(what))}: {count}" for what, count in now.seen.items())
    said = "" if run.running else "".join(f"<br>{_ERROR.format(html.escape(line))}" for line in run.warnings())
    return (
        f"<b>{now.rate:.0f} requests/s</b> · {now.in_flight} in flight · p50 {now.p50_ms:.1f} ms · "
        f"p99 {now.p99_ms:.1f} ms · {seen} · {run.ended or 'running'}{said}"
    )
