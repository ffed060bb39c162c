"""Requests as they begin and end → statistics for the autoscaler, once a second, and metrics under Knative's names.

The first request of a revision that had none for a second is told at once: from zero, nobody waits for the second to end.
Its second tells of it no more (knative/serving, pkg/activator/handler/concurrency_reporter.go).
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass

from prometheus_client import Gauge

from .counting import Count

_LABELS = ("k8s_namespace_name", "kn_revision_name")
concurrency = Gauge("kn_revision_request_concurrency", "Requests in the activator, on average over a second.", _LABELS)
queued = Gauge("kn_revision_request_queued", "Requests that wait for a Pod.", _LABELS)
active = Gauge("kn_revision_request_active", "Requests that a Pod works on, by way of the activator.", _LABELS)


@dataclass(frozen=True)
class Stat:
    """Of one revision over a second: all requests here, and those of them that are with a Pod, which counts them too."""

    revision: str
    concurrency: float
    requests: int
    proxied_concurrency: float = 0.0
    proxied_requests: int = 0
    first: bool = False  # told at once, not a second's


@dataclass
class _Counts:
    here: Count
    with_pod: Count
    told: int = 1  # requests that were reported before their second was over


class Reporter:
    def __init__(self, send: Callable[[list[dict[str, object]]], None], clock: Callable[[], float] = time.monotonic):
        self._send, self._clock = send, clock
        self._counts: dict[str, _Counts] = {}

    @contextlib.contextmanager
    def request(self, revision: str) -> Iterator[contextlib.AbstractContextManager[None]]:
        """`with reporter.request(name) as proxied: … with proxied: …`: the inner part is with a Pod."""
        counts = self._counts.get(revision)
        if counts is None:
            now = self._clock()
            counts = self._counts[revision] = _Counts(Count(now), Count(now))
            self._send([asdict(Stat(revision, 1.0, 1, first=True))])
        with self._counting(counts.here):
            yield self._counting(counts.with_pod)

    def report(self) -> None:
        """Called once a second."""
        now, stats = self._clock(), []
        for revision, counts in list(self._counts.items()):
            (average, came), (with_pod, went) = counts.here.report(now), counts.with_pod.report(now)
            stats.append(Stat(revision, max(0.0, average - counts.told), came - counts.told, with_pod, went))
            counts.told = 0
            self._show(revision, counts, average)
            if not came and not counts.here.current:
                del self._counts[revision]
        if stats:
            self._send([asdict(stat) for stat in stats])

    @contextlib.contextmanager
    def _counting(self, count: Count) -> Iterator[None]:
        count.begin(self._clock())
        try:
            yield
        finally:
            count.end(self._clock())

    def _show(self, revision: str, counts: _Counts, average: float) -> None:
        labels = revision.split("/", 1)
        concurrency.labels(*labels).set(average)
        queued.labels(*labels).set(counts.here.current - counts.with_pod.current)
        active.labels(*labels).set(counts.with_pod.current)
