"""What the sidecars of revisions counted → queue-proxy's metrics, under Knative's names: durations in seconds, by status.

The sidecar keeps Istio's histogram of the same requests in milliseconds; Envoy's statistics know whole numbers only. What
Prometheus itself asks of a model passes the queue by, and is left out here too.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector, CollectorRegistry

from ..objects.kinds import Key

_LABELS = ("k8s_namespace_name", "kn_revision_name", "k8s_pod_name")
_DURATION, _DEPTH = "kn_serving_invocation_duration_seconds", "kn_serving_queue_depth"
_SCRAPER = "/sa/prometheus"

Buckets = dict[str, dict[str, float]]  # status → upper bound in seconds → count


class QueueMetrics(Collector):
    def __init__(self, registry: CollectorRegistry) -> None:
        self._told: dict[Key, tuple[Key, str, int]] = {}  # Pod → revision, Envoy's text, how many wait
        registry.register(self)

    def told(self, revision: Key, pod: Key, text: str, waiting: int) -> None:
        self._told[pod] = (revision, text, waiting)

    def forgot(self, pod: Key) -> None:
        self._told.pop(pod, None)

    def collect(self) -> Iterator[GaugeMetricFamily | HistogramMetricFamily]:
        durations = HistogramMetricFamily(
            _DURATION,
            "From a request's arrival at the Pod to its answer.",
            labels=(*_LABELS, "http_response_status_code"),
        )
        depth = GaugeMetricFamily(_DEPTH, "Requests that wait before containerConcurrency.", labels=_LABELS)
        for pod, (revision, text, waiting) in self._told.items():
            labels = (revision.namespace, revision.name, pod.name)
            depth.add_metric(labels, waiting)
            buckets, sums = _parsed(text)
            for status, counts in buckets.items():
                ordered = sorted(counts.items(), key=lambda item: float(item[0]))
                durations.add_metric((*labels, status), ordered, sums[status])
        yield durations
        yield depth


def _parsed(text: str) -> tuple[Buckets, dict[str, float]]:
    buckets: Buckets = defaultdict(lambda: defaultdict(float))
    sums: dict[str, float] = defaultdict(float)
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            status = sample.labels.get("response_code", "")
            if sample.labels.get("source_principal", "").endswith(_SCRAPER):
                continue
            if sample.name.endswith("_bucket"):
                buckets[status][_seconds(sample.labels["le"])] += sample.value
            elif sample.name.endswith("_sum"):
                sums[status] += sample.value / 1e3
    return buckets, sums


def _seconds(bound: str) -> str:
    return bound if bound == "+Inf" else f"{float(bound) / 1e3:g}"
