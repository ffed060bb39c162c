"""Prometheus → the figures of the pages: published models by their routes at the edge, models by what reached their Pods.

Differences of counters are exact where Prometheus' own `increase` guesses: a counter that first appears at 5 has counted 5.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass

from ..edge import NAMESPACE
from ..published.objects import base
from ..published.publication import Publication
from ..usage import Prometheus

_ROUTES = f'envoy_cluster_name=~"httproute/{NAMESPACE}/published-model-.*"'
_HITS, _OVER = "ratelimit_service_rate_limit_total_hits_total", "ratelimit_service_rate_limit_over_limit_total"
# What Prometheus itself asks of a model is no use of it.
_SERVED = 'reporter="destination",source_principal!~".*/sa/prometheus"'
_BY = "destination_workload_namespace, destination_service_name"
_SERVER = re.compile(r"(.+)-predictor(-\d+)?")
SPAN, STEP = 900, 5


@dataclass(frozen=True)
class Live:
    """Of a published model, all its keys and tokens together: now, and in the last minute."""

    rate: float = 0.0
    requests: int = 0
    refused: int = 0


@dataclass(frozen=True)
class Use:
    """Of a model, what reached it in the last hour; `slow` is the 95th percentile of five minutes, in ms."""

    namespace: str
    model: str
    requests: int
    failed: int
    rate: float
    slow: float


def live(prometheus: Prometheus, publications: list[Publication]) -> dict[tuple[str, str], Live]:
    """By (namespace, model)."""
    if not publications:
        return {}
    rates = _summed(
        prometheus, f"sum by (envoy_cluster_name) (rate(envoy_cluster_upstream_rq_total{{{_ROUTES}}}[10s]))"
    )
    asked = _summed(prometheus, grown(f'{_HITS}{{key2="rule-0-match-0"}}', "key1", "1m"))
    over = _summed(prometheus, f"max by (key1) ({grown(_OVER, 'key1, key2', '1m')})")
    made = {}
    for one in publications:
        own = f"httproute/{NAMESPACE}/{base(one.namespace, one.model)}"
        rate, requests, refused = (
            sum(found.get(own + door, 0.0) for door in ("", "-jwt")) for found in (rates, asked, over)
        )
        made[one.namespace, one.model] = Live(rate, round(requests), round(refused))
    return made


def used(prometheus: Prometheus, namespaces: list[str]) -> list[Use]:
    """The models of these namespaces that anybody has called, the most used first."""
    where = _within(namespaces)
    counter = f"istio_requests_total{{{where}}}"
    asked = _by_model(prometheus, grown(counter, _BY, "1h"))
    failed = _by_model(prometheus, grown(f'istio_requests_total{{{where},response_code=~"[45]..|0"}}', _BY, "1h"))
    rates = _by_model(prometheus, f"{grown(counter, _BY, '10s')} / 10")
    buckets = f"rate(istio_request_duration_milliseconds_bucket{{{where}}}[5m])"
    slow = _by_model(prometheus, f"histogram_quantile(0.95, sum by (le, {_BY}) ({buckets}))")
    made = [
        Use(*key, round(count), round(failed.get(key, 0)), rates.get(key, 0.0), slow.get(key, 0.0))
        for key, count in asked.items()
    ]
    return sorted(made, key=lambda use: (-use.requests, use.namespace, use.model))


def course(prometheus: Prometheus, namespaces: list[str]) -> dict[tuple[str, str], list[tuple[float, float]]]:
    """(namespace, model) → requests per second over the last quarter of an hour, as (time, value)."""
    asked = f"{grown(f'istio_requests_total{{{_within(namespaces)}}}', _BY, '30s')} / 30"
    made: dict[tuple[str, str], dict[float, float]] = defaultdict(lambda: defaultdict(float))
    for series in prometheus.range(asked, SPAN, STEP):
        for when, value in series["values"]:
            made[_model(series["metric"])][float(when)] += float(value)
    return {key: sorted(points.items()) for key, points in made.items()}


def _within(namespaces: list[str]) -> str:
    return f'{_SERVED},destination_workload_namespace=~"{"|".join(namespaces) or "-"}"'


def grown(counter: str, labels: str, window: str) -> str:
    """How much a counter grew, by labels. A series that began within the window began at 0, one that ended still counts."""
    last = f"last_over_time({counter}[{window}])"
    return f"sum by ({labels}) (clamp_min({last} - ({counter} offset {window} or {last} * 0), 0))"


def _summed(prometheus: Prometheus, promql: str) -> dict[str, float]:
    """By the route, which is a cluster's name or a limit's first key."""
    made: dict[str, float] = defaultdict(float)
    for series in prometheus.query(promql):
        named = series["metric"].get("envoy_cluster_name") or series["metric"].get("key1", "")
        made[named.partition("/rule/")[0]] += _number(series["value"][1])
    return made


def _by_model(prometheus: Prometheus, promql: str) -> dict[tuple[str, str], float]:
    made: dict[tuple[str, str], float] = defaultdict(float)
    for series in prometheus.query(promql):
        made[_model(series["metric"])] += _number(series["value"][1])
    return made


def _model(labels: dict[str, str]) -> tuple[str, str]:
    service = labels.get("destination_service_name", "")
    found = _SERVER.fullmatch(service)
    return labels.get("destination_workload_namespace", ""), found[1] if found else service


def _number(text: str) -> float:
    """A quantile of nothing is no number: nothing."""
    value = float(text)
    return value if value == value else 0.0
