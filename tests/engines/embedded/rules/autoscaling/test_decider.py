"""A tick's arithmetic: rates, panic, activation scale, delay, excess burst capacity; and what holds for any load."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iiab_lab.engines.embedded.rules.autoscaling.decider import TICK, Decider, excess_burst_capacity
from iiab_lab.engines.embedded.rules.autoscaling.metrics import SCRAPE, Stat
from iiab_lab.engines.embedded.rules.autoscaling.settings import Settings

NOW = 1_700_000_000.0
CALM = Settings(target=10, total=10, panic_threshold=1000, target_burst_capacity=0)


def one(settings: Settings, ready: int, stable: float, panic: float, reachable: bool = True) -> int:
    """What a decider that has not panicked decides."""
    return Decider(settings, 0, NOW).scale(NOW, ready, stable, panic, reachable).desired


def test_the_clock_of_it() -> None:
    assert (SCRAPE, TICK) == (1, 2)


@pytest.mark.parametrize(
    ("changed", "ready", "stable", "panic", "desired"),
    [
        ({}, 0, 0, 0, 0),
        ({}, 0, 0.1, 0.1, 1),
        ({}, 1, 50, 50, 5),
        ({}, 1, 50.1, 50, 6),
        ({}, 5, 50, 10, 5),
        # At most half of what is ready goes at once, rounded down.
        ({}, 9, 0, 0, 4),
        ({}, 1, 0, 0, 0),
        ({"max_scale_down_rate": 1.1}, 100, 1, 1, 90),
        # At most a thousandfold comes, or what the rate says, rounded up.
        ({"max_scale_up_rate": 1.1, "target": 1}, 2, 3, 3, 3),
        ({"max_scale_up_rate": 10}, 0, 1000, 0, 10),
        ({"activation_scale": 3}, 0, 1, 0, 3),
        ({"activation_scale": 3}, 0, 0, 0, 0),
        ({"activation_scale": 1}, 0, 1, 0, 1),
        ({"activation_scale": 3, "max_scale_up_rate": 2}, 1, 10, 0, 3),
    ],
)
def test_stable_mode(changed: dict[str, Any], ready: int, stable: float, panic: float, desired: int) -> None:
    assert one(replace(CALM, **changed), ready, stable, panic) == desired


def test_an_unreachable_revision_shrinks_at_once() -> None:
    assert one(CALM, 100, 1, 1, reachable=False) == 1


def test_panic_begins_at_the_threshold_grows_only_and_ends_a_stable_window_later() -> None:
    settings = replace(CALM, panic_threshold=2, stable_window=60)
    decider = Decider(settings, 1, NOW)
    assert not decider.scale(NOW, 2, 10, 39 / 2, True).panicking
    entered = decider.scale(NOW + 2, 2, 10, 40, True)
    assert (entered.panicking, entered.desired) == (True, 4)
    assert decider.scale(NOW + 4, 4, 50, 60, True).desired == 6, "the larger of the two windows"
    assert decider.scale(NOW + 6, 6, 80, 60, True).desired == 8
    assert decider.scale(NOW + 8, 8, 0, 0, True).desired == 8, "no way down in panic"
    assert decider.scale(NOW + 62, 8, 0, 0, True).panicking, "a whole window, not one second less"
    left = decider.scale(NOW + 64, 8, 0, 0, True)
    assert (left.panicking, left.desired) == (False, 4)


def test_a_load_over_the_threshold_extends_panic() -> None:
    decider = Decider(replace(CALM, panic_threshold=2), 0, NOW)
    decider.scale(NOW, 1, 10, 20, True)
    decider.scale(NOW + 40, 1, 10, 20, True)
    assert decider.scale(NOW + 100, 1, 0, 0, True).panicking
    assert not decider.scale(NOW + 102, 1, 0, 0, True).panicking


@pytest.mark.parametrize(("ready", "panicking", "desired"), [(0, False, 0), (1, False, 0), (2, True, 2), (7, True, 7)])
def test_with_more_than_one_pod_it_begins_in_panic_and_keeps_them(ready: int, panicking: bool, desired: int) -> None:
    decider = Decider(CALM, ready, NOW)
    assert decider.panicking is panicking
    assert decider.scale(NOW + 2, ready, 0, 0, True).desired == desired
    assert decider.scale(NOW + 62, ready, 0, 0, True).desired == ready // 2


def test_a_scale_down_is_delayed_while_reachable() -> None:
    decider = Decider(replace(CALM, scale_down_delay=10), 0, NOW)
    assert decider.scale(NOW, 1, 40, 40, True).desired == 4
    assert decider.scale(NOW + 8, 4, 0, 0, True).desired == 4
    assert decider.scale(NOW + 10, 4, 0, 0, True).desired == 2
    assert decider.scale(NOW + 12, 4, 60, 60, True).desired == 6
    assert decider.scale(NOW + 14, 6, 0, 0, False).desired == 0


@pytest.mark.parametrize(
    ("burst", "ready", "panic", "excess"),
    [
        (0, 0, 9, 0),
        (-1, 9, 0, -1),
        (211, 0, 0, -211),
        (211, 3, 0, 89),
        (211, 3, 88.5, 0),
        (211, 3, 89.5, -1),
        (5, 1, 0.1, 94),
    ],
)
def test_excess_burst_capacity(burst: float, ready: int, panic: float, excess: int) -> None:
    assert excess_burst_capacity(Settings(target_burst_capacity=burst, total=100), ready, panic) == excess


@pytest.mark.parametrize(("burst", "initial", "excess"), [(-1, 1, -1), (0, 1, 0), (211, 1, -111), (211, 3, 89)])
def test_before_the_first_tick_nothing_is_decided(burst: float, initial: int, excess: int) -> None:
    decider = Decider(Settings(target_burst_capacity=burst, initial_scale=initial), 0, NOW)
    assert (decider.decision.desired, decider.decision.valid, decider.decision.excess_burst_capacity) == (
        -1,
        False,
        excess,
    )


def test_without_data_the_last_decision_stands() -> None:
    decider = Decider(CALM, 0, NOW)
    made = decider.scale(NOW, 1, 50, 50, True)
    held = decider.scale(NOW + 2, 5, None, None, True)
    assert (made.valid, made.changed, held.valid, held.changed) == (True, True, False, False)
    assert (held.desired, held.excess_burst_capacity) == (5, 0)


def test_the_reconciler_is_told_of_a_new_number_and_of_a_new_sign() -> None:
    decider = Decider(replace(CALM, target_burst_capacity=5, initial_scale=1), 0, NOW)
    said = [decider.scale(NOW + n, ready, 10, 10, True).changed for n, ready in enumerate([1, 1, 2, 2])]
    assert said == [True, False, True, False]


def test_a_poke_is_the_activators_when_nothing_is_wanted() -> None:
    decider = Decider(CALM, 0, NOW)
    assert not decider.is_poked_by(Stat("activator", 1)), "nothing decided yet"
    decider.scale(NOW, 0, 0, 0, True)
    assert decider.is_poked_by(Stat("activator", 1)) and not decider.is_poked_by(Stat("activator"))
    decider.scale(NOW, 0, 1, 1, True)
    assert not decider.is_poked_by(Stat("activator", 1))


def test_new_settings_are_in_force_with_the_next_tick() -> None:
    decider = Decider(CALM, 0, NOW)
    decider.update(replace(CALM, target=5))
    assert decider.scale(NOW, 1, 50, 50, True).desired == 10


LOAD = st.floats(0, 10_000)
TICKS = st.lists(st.tuples(LOAD, LOAD, st.integers(0, 50)), min_size=1, max_size=40)
SETTINGS = st.builds(
    Settings,
    target=st.floats(0.01, 100),
    stable_window=st.sampled_from([6.0, 60.0]),
    panic_threshold=st.floats(1.1, 10),
    max_scale_up_rate=st.floats(1.01, 1000),
    max_scale_down_rate=st.floats(1.01, 100),
    activation_scale=st.sampled_from([0, 2, 5]),
    scale_down_delay=st.sampled_from([0.0, 10.0]),
)


@given(SETTINGS, st.integers(0, 50), TICKS)
def test_in_panic_nothing_shrinks(settings: Settings, ready: int, ticks: list[tuple[float, float, int]]) -> None:
    # What a delay still holds up when panic begins may be more than panic asks for.
    decider, last = Decider(replace(settings, scale_down_delay=0.0), ready, NOW), None
    for n, (stable, panic, pods) in enumerate(ticks):
        made = decider.scale(NOW + 2 * n, pods, stable, panic, True)
        if last and last.panicking and made.panicking:
            assert made.desired >= last.desired
        last = made


@given(SETTINGS, st.integers(0, 50), LOAD, LOAD, LOAD, LOAD)
def test_more_load_never_means_fewer_pods(
    settings: Settings, ready: int, a: float, b: float, c: float, d: float
) -> None:
    less, more = (min(a, b), min(c, d)), (max(a, b), max(c, d))
    assert one(settings, ready, *less) <= one(settings, ready, *more)


@given(SETTINGS, st.integers(0, 50), LOAD, LOAD)
def test_the_rates_are_kept(settings: Settings, ready: int, stable: float, panic: float) -> None:
    pods = max(1, ready)
    up = -(-settings.max_scale_up_rate * pods // 1)
    down = settings.max_scale_down_rate
    assert pods // down <= one(settings, ready, stable, panic) <= max(up, settings.activation_scale)


def test_hours_pass_in_no_time() -> None:
    """A day of ticks: the pods follow a load that doubles and halves, and never lag by more than the rates say."""
    decider, pods, seen = Decider(Settings(target=10), 0, NOW), 0, set()
    for tick in range(43_200):
        load = 10.0 * (1 + tick // 1800 % 5)
        pods = decider.scale(NOW + TICK * tick, pods, load, load, True).desired
        seen.add(pods)
        assert load / 10 <= pods
    assert seen == {1, 2, 3, 4, 5}
