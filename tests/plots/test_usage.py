"""Series over time → what was used: counters that are born, fall and stay, and what lasts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas
import pytest

from iiab_lab.plots import usage as module
from iiab_lab.plots.usage import FIGURES, WHOSE, grown, usage, usage_chart
from iiab_lab.target import Target

IRIS = {
    "label_serving_kserve_io_inferenceservice": "iris",
    "label_serving_knative_dev_revision": "iris-predictor-00001",
}


def course(values: Sequence[float], since: float) -> pandas.Series:
    index = pandas.to_datetime([since + second for second in range(len(values))], unit="s", utc=True)
    return pandas.Series([float(value) for value in values], index=index)


@pytest.mark.parametrize(
    ("values", "since", "expected"),
    [
        ([5, 5, 9], 100, 4),
        ([5, 5, 9], 200, 9),  # born later than what is asked about: its first value was counted meanwhile
        ([5, 9, 2, 3], 100, 7),  # it began anew
        ([7], 100, 0),
        ([7], 200, 7),
    ],
)
def test_a_counter_grows_from_its_birth_and_over_its_restarts(
    values: list[float], since: float, expected: float
) -> None:
    assert grown(course(values, since), 150) == expected


class Scripted:
    """In Prometheus's place: the courses of a query, by what stands in it."""

    tokens: list[str] = []

    def __init__(self, _: Any, token: str) -> None:
        self.tokens.append(token)

    def courses(self, query: str, since: float, until: float, step: float) -> list[Any]:
        assert until - since == pytest.approx(600) and step == 1.0
        late = since + 100
        known = {
            "istio_requests_total": [(own("a", "p"), course([0, 3], since)), (own("a", "q"), course([2, 4], late))],
            "container_cpu": [(own("a", "p"), course([1, 1.5], since))],
            "container_memory": [(own("a", "p"), course([2, 2], since)), (own("b", "r"), course([1], since))],
            "kube_pod_status_ready": [(own("a", "p"), course([1, 0, 1], since))],
            "kn_revision_pods_count": [
                ({"namespace": "a", "kn_service_name": "iris-predictor", "kn_revision_name": "iris-predictor-00001"},
                 course([1, 0, 1], since)),
                ({"namespace": "a", "kn_service_name": "idle-predictor", "kn_revision_name": "idle-predictor-00002"},
                 course([1, 1], since)),
            ],
        }  # fmt: skip
        return next(found for name, found in known.items() if name in query)


def own(namespace: str, pod: str) -> dict[str, str]:
    return {"namespace": namespace, "pod": pod, **IRIS}


def test_what_was_used_is_summed_up_by_revision(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "Prometheus", Scripted)
    target: Any = Target
    frame = usage(target, minutes=10, token="mine")
    assert Scripted.tokens == ["mine"] and list(frame.columns) == [*WHOSE, *FIGURES]
    assert frame.to_numpy().tolist() == [
        ["a", "idle", "idle-predictor-00002", 0, 0, 0, 0, 2],
        ["a", "iris", "iris-predictor-00001", 7, 0.5, 4, 2, 2],
        ["b", "iris", "iris-predictor-00001", 0, 0, 1, 0, 0],
    ]
    figure = usage_chart(frame)
    assert len(figure.data) == len(FIGURES) and list(figure.data[0].x) == [0, 7, 0]
    assert "GiB × seconds" in figure.layout.annotations[2].text
    assert len(usage_chart(frame.head(0)).data) == len(FIGURES)
