"""Prometheus → Looks: what both versions answered, how fast, with which class, and how often that was right.

Requests, errors and latency are as tier 2 saw them (`reporter="source"`): also a request that no Pod ever took is one that
somebody lost. Classes and feedback are counted by the model servers.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from ..plots.prometheus import Prometheus
from . import latency
from .counters import Counted, Growth
from .criteria import ACCURACY, ERRORS, LATENCY
from .evidence import Look
from .tally import Pair, Tally

_NAME, _CODE, _LE = "destination_service_name", "response_code", "le"


class Looks:
    """Of the revisions of one InferenceService. `limit` (ms) is from where a request is slow, once `settle` has said it."""

    def __init__(self, prometheus: Prometheus, service: str, namespace: str) -> None:
        traffic = tier_2(service, namespace)
        pods = f'namespace="{namespace}",model_name="{service}"'
        self._requests = Counted(prometheus, f"istio_requests_total{{{traffic}}}", (_NAME, _CODE))
        self._latency = Counted(prometheus, f"istio_request_duration_milliseconds_bucket{{{traffic}}}", (_NAME, _LE))
        self._classes = Counted(prometheus, f"model_predictions_total{{{pods}}}", ("revision", "class"))
        self._feedback = Counted(prometheus, f"model_feedback_total{{{pods}}}", ("answered_by", "outcome"))
        self._before: dict[float, int] = {}
        self.limit: float | None = None

    def settle(self, baseline: str, margin: float = 0.5) -> int:
        """Sets `limit` by the baseline's latency so far → how many requests that is by."""
        self._add(self._before, buckets(self._latency.grown(), baseline))
        self.limit = latency.bound(self._before, margin=margin)
        return self._before.get(math.inf, 0)

    def forget(self) -> None:
        """What came until now belongs to no step."""
        for counted in (self._requests, self._latency, self._classes, self._feedback):
            counted.grown()

    def take(self, candidate: str, baseline: str) -> Look:
        """What both answered since the last time."""
        requests, feedback, classes = self._requests.grown(), self._feedback.grown(), self._classes.grown()
        timed = self._latency.grown()
        limit = math.inf if self.limit is None else self.limit
        counts = {
            ERRORS: _both(lambda name: _tally(requests, name, _is_error), candidate, baseline),
            ACCURACY: _both(lambda name: _tally(feedback, name, _is_wrong), candidate, baseline),
        }
        if limit < math.inf:
            counts[LATENCY] = _both(lambda name: latency.slow(buckets(timed, name), limit), candidate, baseline)
        said = [
            {kind: count for (name, kind), count in classes.items() if name == which} for which in (candidate, baseline)
        ]
        return Look(counts, *said)

    def _add(self, sums: dict[float, int], more: dict[float, int]) -> None:
        for edge, count in more.items():
            sums[edge] = sums.get(edge, 0) + count


def tier_2(service: str, namespace: str) -> str:
    """The labels of what tier 2 sent to any revision of a service."""
    where = f'destination_service_namespace="{namespace}",destination_service_name=~"{service}-predictor-[0-9]+"'
    return f'reporter="source",source_workload="istio-ingressgateway",{where}'


def buckets(grown: Growth, name: str) -> dict[float, int]:
    return {float(edge): count for (which, edge), count in grown.items() if which == name}


def _both(count: Callable[[str], Tally], candidate: str, baseline: str) -> Pair:
    return Pair(count(candidate), count(baseline))


def _tally(grown: Growth, name: str, is_bad: Callable[[str], bool]) -> Tally:
    mine = [(what, count) for (which, what), count in grown.items() if which == name]
    return Tally(sum(count for what, count in mine if is_bad(what)), sum(count for _, count in mine))


def _is_error(code: str) -> bool:
    return code.startswith("5")


def _is_wrong(outcome: str) -> bool:
    return outcome == "wrong"
