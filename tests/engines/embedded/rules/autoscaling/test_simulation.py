"""The closed loop: capacity is arithmetic, cold starts are bridged, nothing is lost, and hours take moments."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iiab_lab.engines.embedded.rules.autoscaling.settings import Settings
from iiab_lab.engines.embedded.rules.autoscaling.simulation import Second, Workload, simulate

# Fifty milliseconds and two at a time: a Pod takes 40 requests a second, and one is wanted for each 28.
KNOBS = Settings(target=1.4, total=2, stable_window=6, panic_window=1, target_burst_capacity=0, grace_period=6)


def run(arrivals: list[float], knobs: Settings = KNOBS, startup: float = 0.2, replicas: int = 0) -> list[Second]:
    return simulate(knobs, Workload(arrivals, 0.05, startup, 2, replicas))


@pytest.mark.parametrize(("rate", "pods"), [(10, 1), (28, 1), (29, 2), (100, 4), (280, 10)])
def test_a_constant_load_is_served_by_as_many_pods_as_its_concurrency_needs(rate: float, pods: int) -> None:
    end = run([float(rate)] * 120)[-1]
    assert (end.ready, end.replicas, end.desired, end.waiting) == (pods, pods, pods, 0)
    assert end.in_flight == pytest.approx(rate * 0.05)
    assert end.stable == pytest.approx(rate * 0.05, abs=1e-5)


def test_from_zero_a_pod_is_asked_for_at_once_and_what_waited_is_served() -> None:
    seconds = run([0, 0, 0, 10, 10, 10])
    assert [second.replicas for second in seconds] == [0, 0, 0, 1, 1, 1]
    assert seconds[3].waiting > 0 and seconds[4].waiting == 0
    assert seconds[2].activator and not seconds[4].activator


def test_a_slow_start_makes_requests_wait() -> None:
    slow, fast = (sum(second.waiting for second in run([20.0] * 20, startup=startup)) for startup in (3.0, 0.1))
    assert slow > fast > 0


def test_to_zero_it_goes_after_the_window_and_the_grace() -> None:
    seconds = run([20.0] * 20 + [0.0] * 40)
    gone = next(number for number, second in enumerate(seconds) if number > 20 and second.replicas == 0)
    inactive = next(number for number, second in enumerate(seconds) if number > 20 and second.activator)
    assert 20 + KNOBS.stable_window - 1 <= inactive <= 20 + KNOBS.stable_window + 4
    assert inactive + KNOBS.grace_period - 1 <= gone <= inactive + KNOBS.grace_period + 1


def test_a_burst_ends_in_panic_and_panic_ends() -> None:
    seconds = run([20.0] * 20 + [200.0] * 30, replicas=1)
    assert not seconds[19].panicking and any(second.panicking for second in seconds[20:25])
    assert not seconds[-1].panicking and seconds[-1].waiting == 0


def test_max_scale_bounds_what_a_burst_asks_for() -> None:
    seconds = run([20.0] * 10 + [500.0] * 20, Settings(target=1.4, total=2, max_scale=3, target_burst_capacity=0))
    assert max(second.replicas for second in seconds) == 3
    assert seconds[-1].in_flight == pytest.approx(6)
    assert seconds[-1].waiting > seconds[-2].waiting > 0


def test_without_a_bound_a_pod_takes_all() -> None:
    end = simulate(Settings(target_burst_capacity=0), Workload([100.0] * 30, 0.5, 0.2))[-1]
    assert (end.ready, end.waiting) == (1, 0) and end.in_flight == pytest.approx(50)


def test_requests_per_second_scale_as_well() -> None:
    knobs = Settings(metric="rps", target=14, total=20, stable_window=6, panic_window=1, target_burst_capacity=0)
    end = run([70.0] * 40, knobs)[-1]
    assert (end.ready, end.stable) == (5, pytest.approx(70))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 300), min_size=5, max_size=40), st.integers(0, 3), st.integers(0, 2))
def test_never_outside_the_bounds_and_at_rest_nothing_waits(loads: list[int], least: int, more: int) -> None:
    knobs = Settings(target=1.4, total=2, stable_window=6, panic_window=1, min_scale=least, max_scale=least + more + 1)
    seconds = run([float(load) for load in loads] + [0.0] * 300, knobs)
    assert all(least <= second.replicas <= least + more + 1 for second in seconds)
    assert (seconds[-1].in_flight, seconds[-1].waiting, seconds[-1].replicas) == (0, 0, least)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 200), min_size=5, max_size=30), st.floats(0.01, 0.3))
def test_every_request_is_served_for_its_time(loads: list[int], time: float) -> None:
    """Little: the mean in flight, summed over all seconds, is the requests times what one takes."""
    seconds = simulate(KNOBS, Workload([*map(float, loads), *[0.0] * 120], time, 0.2, 2))
    assert sum(second.in_flight for second in seconds) == pytest.approx(sum(loads) * time, rel=1e-6)


def test_an_afternoon_passes_in_a_moment() -> None:
    """Two hours of a load that comes and goes every ten minutes: each time from zero, and back."""
    seconds = run(([30.0] * 300 + [0.0] * 300) * 12)
    changes = [replicas for replicas, _ in itertools.groupby(second.replicas > 0 for second in seconds)]
    assert changes == [True, False] * 12
