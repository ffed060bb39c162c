"""What was tried → the frame of all attacks, the matrix attack × layer, and the denials over time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ...plots.figure import Panel, layout, still
from ...plots.prometheus import Prometheus
from ...target import Target
from ..report import Check, Report
from .attack import LAYERS

if TYPE_CHECKING:
    import pandas

    from .catalogue import Tried

_OF_THE_EDGE = '{namespace="envoy-gateway-system"}'
_REASONS = {
    "no valid token": "envoy_http_jwt_authn_denied",
    "not allowed": "envoy_http_rbac_denied",
    "no HTTP/1.1": "envoy_http_downstream_cx_protocol_error",
    "no HTTP/2": "envoy_http2_rx_messaging_error",
    "no TLS": "envoy_listener_ssl_connection_error",
    "too slow": "envoy_http_downstream_rq_header_timeout",
}
# A live plot: lab.show(target, "Denials by reason", DENIALS, "requests per second").
DENIALS = " or ".join(
    f'label_replace(sum(rate({metric}{_OF_THE_EDGE}[5s])), "reason", "{reason}", "", "")'
    for reason, metric in _REASONS.items()
)


def draw(report: Report, tried: Sequence[Tried], target: Target, minutes: float) -> None:
    """Adds frames["attacks"] and ["denials"], figures["matrix"] and ["denials"]; `tried` in the order of the first checks."""
    report.frames["attacks"] = frame(tried, report.checks[: len(tried)])
    report.figures["matrix"] = matrix(report.frames["attacks"])
    report.frames["denials"] = Prometheus(target).range(DENIALS, minutes)
    panel = Panel("Denials at the edge, by reason", DENIALS, "requests per second", minutes)
    report.figures["denials"] = still(panel, report.frames["denials"])


def frame(tried: Sequence[Tried], checks: Sequence[Check]) -> pandas.DataFrame:
    """One row per attack."""
    import pandas

    rows = [
        {
            "class": one.attack.kind,
            "attack": one.attack.id,
            "source": one.attack.source,
            "tries": one.attack.tries,
            "expected": check.expected,
            "observed": check.observed,
            "layer": check.observed.partition(" @ ")[2].partition(";")[0],
            "control": one.control.status,
            "passed": check.passed,
            "evidence": check.evidence,
        }
        for one, check in zip(tried, checks, strict=True)
    ]
    return pandas.DataFrame(rows)


def matrix(attacks: pandas.DataFrame) -> Any:
    """A Plotly heat map: how many attacks of a class which layer decided; a cross and a number where some did not end as expected."""
    import plotly.graph_objects as go

    known = [layer for layer in LAYERS if (attacks["layer"] == layer).any()]
    layers = [*known, *sorted(set(attacks["layer"]) - set(LAYERS))]
    kinds = list(dict.fromkeys(attacks["class"]))
    counts = [[_here(attacks, kind, layer) for layer in layers] for kind in kinds]
    cells = {
        "z": [[all_ for all_, _ in row] for row in counts],
        "text": [[_told(*pair) for pair in row] for row in counts],
        "texttemplate": "%{text}",
        "textfont": {"size": 18},
        "colorscale": [[0, "#ffffff"], [1, "#0072B2"]],
        "showscale": False,
        "xgap": 3,
        "ygap": 3,
    }
    made = go.Figure(go.Heatmap(x=layers, y=kinds, **cells), layout=layout(Panel("Who stopped what", "", "")))
    made.update_yaxes(autorange="reversed", title_text="class of attack", rangemode="normal")
    return made.update_xaxes(title_text="the layer that decided", side="top").update_layout(height=560, margin_t=120)


def _here(attacks: pandas.DataFrame, kind: str, layer: str) -> tuple[int, int]:
    """(all, failed)."""
    found = attacks[(attacks["class"] == kind) & (attacks["layer"] == layer)]
    return len(found), int((~found["passed"]).sum())


def _told(all_: int, failed: int) -> str:
    return (f"{all_} ✗{failed}" if failed else f"{all_}") if all_ else ""
