"""Use against target → replicas: the cases of Kubernetes' own replica calculator, by its stated semantics."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iiab_lab.engines.embedded.rules.horizontal_autoscaling.replicas import (
    Pod,
    Proposal,
    Question,
    Sample,
    Tolerance,
    Unmeasurable,
    for_average,
    for_utilization,
)

NOW = 10_000.0
OLD = NOW - 3600


def pod(name: str, **more: object) -> Pod:
    return replace(Pod(name, "Running", started=OLD, ready=True, ready_since=OLD), **more)  # type: ignore[arg-type]


def sample(value: int, at: float = NOW - 5) -> Sample:
    return Sample(value, at, 15.0)


def asked(used: list[int | None], current: int = 0, resource: str = "cpu", **pods: Pod) -> Question:
    """One ready Pod per entry, a request of 1000 each; None is a Pod without a sample; `pods` take the place of some."""
    named = {f"p{i}": pods.get(f"p{i}", pod(f"p{i}")) for i in range(len(used))}
    samples = {f"p{i}": sample(value) for i, value in enumerate(used) if value is not None}
    return Question(resource, list(named.values()), samples, current or len(used), Tolerance(), NOW)


def proposed(question: Question, target: int = 50) -> int:
    return for_utilization(question, target, {pod.name: 1000 for pod in question.pods}).replicas


@pytest.mark.parametrize(
    ("used", "replicas"),
    [
        ([1000, 1000], 4),  # twice the target
        ([540, 540], 2),  # 8 % above: within the tolerance
        ([550, 550], 2),  # exactly 10 %
        ([560, 560], 3),
        ([460, 460], 2),
        ([200, 200], 1),
        ([0, 0], 0),
        ([1000, None], 2),  # up: the missing is idle, which leaves nothing to do
        ([1600, None], 4),
        ([1600, 1600, None], 7),
        ([100, 100, None], 3),  # down: the missing is as busy as its request
        ([10, 10, 10, None], 2),
    ],
)
def test_utilization(used: list[int | None], replicas: int) -> None:
    assert proposed(asked(used)) == replicas


def test_the_status_tells_the_average_of_what_was_measured() -> None:
    question = asked([1000, 500, None])
    requests = {"p0": 1000, "p1": 500, "p2": 1000}
    assert for_utilization(question, 50, requests) == Proposal(4, 750, 100)
    assert for_average(asked([1000, 500]), 250) == Proposal(6, 750)


@pytest.mark.parametrize(("used", "replicas"), [([300, 300], 3), ([210, 210], 2), ([300, None], 2), ([20, None], 2)])
def test_average_value(used: list[int | None], replicas: int) -> None:
    assert for_average(asked(used), 200).replicas == replicas


def test_a_missing_pod_is_as_busy_as_a_target_above_its_whole_request() -> None:
    assert proposed(asked([600, None]), target=300) == 2


UNREADY = [
    pod("p1", phase="Pending"),
    pod("p1", ready=None),
    pod("p1", started=None),
    pod("p1", ready=False, started=NOW - 60, ready_since=NOW - 60),
    pod("p1", started=NOW - 60, ready_since=NOW - 10),  # its sample reaches back to before it was ready
    pod("p1", ready=False, ready_since=OLD + 10),  # it was never ready
]


@pytest.mark.parametrize("starting", UNREADY, ids=range(len(UNREADY)))
def test_a_starting_pod_counts_as_idle_when_scaling_up_and_not_at_all_otherwise(starting: Pod) -> None:
    assert proposed(asked([1500, 9000], p1=starting)) == 3
    assert proposed(asked([100, 9000], p1=starting)) == 1


def test_only_cpu_minds_a_start() -> None:
    starting = pod("p1", ready=False, started=NOW - 60, ready_since=NOW - 60)
    assert proposed(asked([1500, 1500], resource="memory", p1=starting)) == 6


@pytest.mark.parametrize("gone", [pod("p1", phase="Failed"), pod("p1", deleted=True)])
def test_who_goes_does_not_count(gone: Pod) -> None:
    assert proposed(asked([1000, 9000], p1=gone)) == 2


@pytest.mark.parametrize(
    ("question", "why"),
    [
        (asked([None]), "unable to get metrics for resource cpu: no metrics returned from resource metrics API"),
        (replace(asked([1]), pods=[]), "no pods returned by selector while calculating replica count"),
        (
            asked([1], p0=pod("p0", phase="Pending")),
            "did not receive metrics for targeted pods (pods might be unready)",
        ),
    ],
)
def test_nothing_to_calculate_from(question: Question, why: str) -> None:
    with pytest.raises(Unmeasurable) as raised:
        proposed(question)
    assert str(raised.value) == why


uses = st.lists(st.one_of(st.none(), st.integers(0, 5000)), min_size=1, max_size=8).filter(
    lambda used: any(value is not None for value in used)
)


@given(uses, st.integers(1, 200))
def test_what_is_not_known_turns_no_direction(used: list[int | None], target: int) -> None:
    known = [value for value in used if value is not None]
    share = sum(known) / len(known) / 10 / target
    replicas = proposed(asked(used), target)
    assert replicas <= len(used) if share < 1 else replicas >= len(used)


@given(st.lists(st.integers(0, 5000), min_size=1, max_size=8), st.integers(1, 200), st.integers(0, 7))
def test_more_load_never_means_fewer(used: list[int], target: int, which: int) -> None:
    more = [value + 500 * (i == which % len(used)) for i, value in enumerate(used)]
    assert proposed(asked(list(more)), target) >= proposed(asked(list(used)), target)


def test_another_tolerance() -> None:
    question = asked([600, 600])
    assert proposed(replace(question, tolerance=Tolerance(up=0.2))) == 2
    assert proposed(replace(question, tolerance=Tolerance(up=0.0))) == 3
