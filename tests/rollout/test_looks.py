"""Counters as Prometheus tells them → counts of both versions, look by look."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from iiab_lab.plots.prometheus import Prometheus
from iiab_lab.rollout.counters import Counted
from iiab_lab.rollout.looks import Looks, tier_2
from iiab_lab.rollout.tally import Tally
from iiab_lab.target import Target

OLD, NEW = "iris-predictor-00001", "iris-predictor-00002"


class Series(Prometheus):
    """In Prometheus's place: what each metric's series are now."""

    def __init__(self) -> None:
        super().__init__(Target("embedded", Path("/none"), "", "", "http://127.0.0.1:1"))
        self.now: dict[str, list[tuple[dict[str, str], float]]] = {}
        self.asked: list[str] = []

    def series(self, query: str) -> list[tuple[dict[str, str], float]]:
        self.asked.append(query)
        return self.now.get(query.partition("{")[0], [])


def test_growth_is_exact_over_new_fallen_and_vanished_series() -> None:
    source = Series()
    source.now["m"] = [({"pod": "a", "code": "200"}, 100.0), ({"pod": "b", "code": "200"}, 50.0)]
    counted = Counted(source, "m{}", ("code",))
    assert counted.grown() == {}
    source.now["m"] = [
        ({"pod": "a", "code": "200"}, 107.0),  # grew
        ({"pod": "b", "code": "200"}, 3.0),  # began anew
        ({"pod": "c", "code": "500"}, 2.0),  # new
    ]
    assert counted.grown() == {("200",): 10, ("500",): 2}
    source.now["m"] = [({"pod": "a", "code": "200"}, 108.0)]
    assert counted.grown() == {("200",): 1}
    source.now["m"] += [({"pod": "c", "code": "500"}, 2.0)]  # back again, with nothing more
    assert counted.grown() == {}


def traffic(**codes: dict[str, float]) -> list[tuple[dict[str, str], float]]:
    return [
        ({"destination_service_name": {"old": OLD, "new": NEW}[which], "response_code": code}, count)
        for which, said in codes.items()
        for code, count in said.items()
    ]


def timed(**counts: dict[float, float]) -> list[tuple[dict[str, str], float]]:
    return [
        (
            {
                "destination_service_name": {"old": OLD, "new": NEW}[which],
                "le": "+Inf" if edge == math.inf else f"{edge:g}",
            },
            n,
        )
        for which, said in counts.items()
        for edge, n in said.items()
    ]


def test_a_look_has_every_count_of_both_versions() -> None:
    source = Series()
    looks = Looks(source, "iris", "tenant-a")
    source.now["istio_request_duration_milliseconds_bucket"] = timed(old={1: 0, 5: 100, 10: 100, math.inf: 100})
    assert looks.settle(OLD) == 100 and looks.limit == 10.0
    source.now = {
        "istio_requests_total": traffic(old={"200": 90, "503": 1}, new={"200": 7, "500": 2, "400": 1}),
        "istio_request_duration_milliseconds_bucket": timed(
            old={1: 0, 5: 180, 10: 189, math.inf: 190}, new={1: 0, 5: 2, 10: 6, math.inf: 10}
        ),
        "model_predictions_total": [({"revision": NEW, "class": "0"}, 4.0), ({"revision": OLD, "class": "1"}, 80.0)],
        "model_feedback_total": [
            ({"answered_by": NEW, "outcome": "right", "revision": OLD}, 3.0),  # told to a Pod of the other version
            ({"answered_by": NEW, "outcome": "wrong", "revision": NEW}, 1.0),
            ({"answered_by": OLD, "outcome": "right", "revision": NEW}, 20.0),
        ],
    }
    seen = looks.take(NEW, OLD)
    assert seen.counts["errors"] == (Tally(2, 10), Tally(1, 91))
    assert seen.counts["latency"] == (Tally(4, 10), Tally(1, 90))
    assert seen.counts["accuracy"] == (Tally(1, 4), Tally(0, 20))
    assert (seen.candidate_classes, seen.baseline_classes) == ({"0": 4}, {"1": 80})
    assert looks.take(NEW, OLD).counts["errors"] == (Tally(), Tally())


def test_without_a_known_baseline_latency_is_not_judged() -> None:
    looks = Looks(Series(), "iris", "tenant-a")
    assert looks.settle(OLD) == 0 and "latency" not in looks.take(NEW, OLD).counts


def test_what_came_before_a_step_is_forgotten() -> None:
    source = Series()
    looks = Looks(source, "iris", "tenant-a")
    source.now["istio_requests_total"] = traffic(new={"500": 5})
    looks.forget()
    assert looks.take(NEW, OLD).counts["errors"].candidate == Tally()


def test_only_what_tier_2_sent_to_revisions_of_this_service_counts() -> None:
    assert tier_2("iris", "tenant-a") == (
        'reporter="source",source_workload="istio-ingressgateway",'
        'destination_service_namespace="tenant-a",destination_service_name=~"iris-predictor-[0-9]+"'
    )


def test_prometheuss_answer_is_read_as_labels_and_values(monkeypatch: pytest.MonkeyPatch) -> None:
    prometheus = Prometheus(Target("embedded", Path("/none"), "", "", "http://127.0.0.1:1"))
    monkeypatch.setattr(prometheus, "_ask", lambda query: [{"metric": {"a": "b"}, "value": [0, "3"]}])
    assert prometheus.series("m") == [({"a": "b"}, 3.0)]
