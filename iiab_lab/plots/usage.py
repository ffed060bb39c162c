"""Prometheus → who used what: per tenant, model and revision, as a DataFrame and as a figure."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from ..target import Target
from . import figure
from .prometheus import Prometheus

if TYPE_CHECKING:
    import pandas

    Labelled = tuple[dict[str, str], pandas.Series]

WHOSE = ("namespace", "model", "revision")
# column → (what it counts, its unit)
FIGURES = {
    "requests": ("requests answered", "requests"),
    "cpu_seconds": ("processor", "seconds of a core"),
    "memory_gib_seconds": ("memory", "GiB × seconds"),
    "replica_seconds": ("replicas that were ready", "Pods × seconds"),
    "zero_seconds": ("time at zero", "seconds"),
}
_POINTS = 2000
_GIB = 2.0**30
_MODEL, _REVISION = "label_serving_kserve_io_inferenceservice", "label_serving_knative_dev_revision"
# Every series of a Pod, with the model and the revision that the Pod is of.
_OF_MODELS = f'on (namespace, pod) group_left ({_MODEL}, {_REVISION}) kube_pod_labels{{{_MODEL}!=""}}'
# What Prometheus itself asks is nobody's request. All containers of a Pod are its model's, the proxy too.
_REQUESTS = (
    'sum by (namespace, pod) (istio_requests_total{reporter="destination",source_principal!~".*/sa/prometheus"})'
)
_CPU = "container_cpu_usage_seconds_total"
_MEMORY = "sum by (namespace, pod) (container_memory_working_set_bytes)"
_READY = 'sum by (namespace, pod) (kube_pod_status_ready{condition="true"})'
_AT_ZERO = 'kn_revision_pods_count{kn_service_name=~".+-predictor"} == bool 0'


def usage(target: Target, minutes: float = 60.0, token: str = "") -> pandas.DataFrame:
    """The last `minutes`, one row per revision: namespace, model, revision ("" without Knative), and the columns of FIGURES.

    What a Pod used between Prometheus' last look at it and its end is not in it. With a tenant's `token`, the tenant's own rows.
    """
    import pandas

    prometheus, until = Prometheus(target, token), time.time()
    since, step = until - 60 * minutes, max(1.0, math.ceil(60 * minutes / _POINTS))
    sums: dict[tuple[str, ...], dict[str, float]] = {}
    for column, query, counted in _counted(step):
        for labels, course in prometheus.courses(query, since, until, step):
            row = sums.setdefault(_whose(labels), dict.fromkeys(FIGURES, 0.0))
            row[column] += counted(course, since + step)
    rows = [[*whose, *figures.values()] for whose, figures in sorted(sums.items())]
    return pandas.DataFrame(rows, columns=[*WHOSE, *FIGURES])


def usage_chart(frame: pandas.DataFrame) -> Any:
    """Bars side by side, one row of them for each column of FIGURES, one bar for each row of `usage`'s frame."""
    from plotly.subplots import make_subplots

    titles = [f"{title} ({unit})" for title, unit in FIGURES.values()]
    made = make_subplots(rows=1, cols=len(FIGURES), shared_yaxes=True, subplot_titles=titles)
    names = [" / ".join(filter(None, row)) for row in frame[list(WHOSE)].itertuples(index=False)]
    for place, column in enumerate(FIGURES, 1):
        colour = figure.COLOURS[(place - 1) % len(figure.COLOURS)]
        made.add_bar(y=names, x=frame[column].tolist(), orientation="h", marker_color=colour, row=1, col=place)
    height = 160 + 40 * max(1, len(names))
    return made.update_layout(template="simple_white", font={"size": 14}, showlegend=False, height=height)


def _counted(step: float) -> Iterator[tuple[str, str, Callable[[pandas.Series, float], float]]]:
    """(column, query, the sum of a series that goes into it)"""

    def lasting(course: pandas.Series, _: float) -> float:
        return float(course.sum()) * step

    yield "requests", f"{_REQUESTS} * {_OF_MODELS}", grown
    yield "cpu_seconds", f"{_CPU} * {_OF_MODELS}", grown
    yield "memory_gib_seconds", f"{_MEMORY} / {_GIB:.0f} * {_OF_MODELS}", lasting
    yield "replica_seconds", f"{_READY} * {_OF_MODELS}", lasting
    yield "zero_seconds", _AT_ZERO, lasting


def grown(course: pandas.Series, begun: float) -> float:
    """How much a counter grew; one that was born later than `begun` (seconds since the epoch) began at zero, as one that fell."""
    steps = course.diff().where(lambda step: step >= 0, course)
    born = course.index[0].timestamp() > begun
    return float(steps.iloc[1:].sum()) + (float(course.iloc[0]) if born else 0.0)


def _whose(labels: dict[str, str]) -> tuple[str, ...]:
    model = labels.get(_MODEL) or labels.get("kn_service_name", "").removesuffix("-predictor")
    return labels.get("namespace", ""), model, labels.get(_REVISION) or labels.get("kn_revision_name", "")
