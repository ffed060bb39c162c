"""An InferenceService → the four things to watch while it scales: requests, concurrency, replicas, latency."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..target import Target
from .figure import Panel
from .stack import stack

_SCRAPES = 'source_principal!~".*/sa/prometheus"'


def watch(target: Target, model: str, namespace: str = "tenant-a", minutes: float = 2.0, token: str = "") -> Any:
    """The live chart. Put it last in a cell, and send load from the next ones. With a tenant's `token`, by its own series."""
    return stack(target, f"{model}: load and replicas", panels(model, namespace, minutes, own=bool(token)), token=token)


def panels(model: str, namespace: str = "tenant-a", minutes: float = 2.0, *, own: bool = False) -> Sequence[Panel]:
    """Of all revisions together. Concurrency and replicas are what Knative's autoscaler tells, the rest the mesh.

    `own`: the latency is that at the Pods, because tier 2's series are not a tenant's.
    """
    mine = f'k8s_namespace_name="{namespace}",kn_service_name="{model}-predictor"'
    served = f'destination_service_namespace="{namespace}",destination_service_name=~"{model}-predictor-.*"'
    pods = f'reporter="destination",{_SCRAPES},{served}'
    # Tier 2 counts what a request waited in the activator; a Pod does not.
    whole = pods if own else f'reporter="source",{served}'
    rows = (
        (
            "answered",
            _named(
                {
                    "2xx": f'sum(rate(istio_requests_total{{{pods},response_code=~"2.."}}[3s])) or vector(0)',
                    "else": f'sum(rate(istio_requests_total{{{pods},response_code!~"2.."}}[3s])) or vector(0)',
                }
            ),
            "requests/s",
        ),
        (
            "concurrency",
            _named({name: f"sum(kn_revision_concurrency_{name}{{{mine}}})" for name in ("stable", "panic", "target")}),
            "in flight",
        ),
        (
            "replicas",
            _named({name: f"sum(kn_revision_pods_{metric}{{{mine}}})" for name, metric in _PODS.items()}),
            "Pods",
        ),
        ("latency", _named({f"p{share}": _quantile(share, whole) for share in (50, 95)}), "ms"),
    )
    return [Panel(title, query, unit, minutes) for title, query, unit in rows]


_PODS = {"desired": "desired", "ready": "count"}


def _quantile(share: int, series: str) -> str:
    buckets = f"istio_request_duration_milliseconds_bucket{{{series}}}"
    return f"histogram_quantile({share / 100}, sum by (le) (rate({buckets}[5s])))"


def _named(queries: dict[str, str]) -> str:
    """One query whose series are told apart by a label `line`."""
    return " or ".join(f'label_replace({query}, "line", "{name}", "", "")' for name, query in queries.items())
