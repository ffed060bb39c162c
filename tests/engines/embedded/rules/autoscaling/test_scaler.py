"""What is done with a decision: bounds, the way to zero and back, who has the traffic, the conditions that tell of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iiab_lab.engines.embedded.rules.autoscaling.decider import Decision
from iiab_lab.engines.embedded.rules.autoscaling.scaler import Outcome, Seen, bounded, enough, reconcile
from iiab_lab.engines.embedded.rules.autoscaling.settings import Settings
from iiab_lab.engines.embedded.rules.autoscaling.status import Condition, State

NOW = 1_700_000_000.0
SETTINGS = Settings(target_burst_capacity=0)
QUEUED = Condition("Unknown", "Queued", "Requests to the target are being buffered as resources are provisioned.", NOW)
IDLE = Condition("False", "NoTraffic", "The target is not receiving traffic.", NOW)
ACTIVE = Condition("True", since=NOW)
DONE = Condition("True", since=NOW)


def decided(desired: int, excess: int = 0) -> Decision:
    return Decision(desired, excess, desired >= 0, False)


def state(active: Condition, initialized: bool = True, **more: Any) -> State:
    given = {"initialized": DONE if initialized else Condition(since=NOW), "network": DONE, "desired": 1, **more}
    return State(active, **given)


def seen(after: float = 0, ready: int = 1, replicas: int = 1, **more: Any) -> Seen:
    return Seen(NOW + after, ready, replicas, **more)


@pytest.mark.parametrize(
    ("changed", "initialized", "reachable", "desired", "bound"),
    [
        ({}, True, True, 3, 3),
        ({"min_scale": 2}, True, True, 0, 2),
        ({"min_scale": 2}, True, False, 0, 0),
        ({"max_scale": 2}, True, True, 3, 2),
        ({"max_scale": 2}, True, False, 3, 2),
        ({"initial_scale": 4}, False, True, 1, 4),
        ({"initial_scale": 4}, True, True, 1, 1),
        ({"initial_scale": 4}, False, False, 1, 1),
        ({"initial_scale": 4, "min_scale": 5}, False, True, 1, 5),
        ({"initial_scale": 4}, False, True, -1, 4),
        ({}, False, True, -1, 0),
    ],
)
def test_bounds(changed: dict[str, Any], initialized: bool, reachable: bool, desired: int, bound: int) -> None:
    assert bounded(replace(SETTINGS, **changed), state(ACTIVE, initialized), reachable, desired) == bound


@pytest.mark.parametrize(
    ("changed", "initialized", "reachable", "pods"),
    [
        ({}, True, True, 1),
        ({"min_scale": 3}, True, True, 3),
        ({"min_scale": 3}, True, False, 1),
        ({"initial_scale": 2}, False, True, 2),
        ({"initial_scale": 2, "min_scale": 3}, False, True, 3),
        ({"initial_scale": 0}, False, True, 0),
    ],
)
def test_how_many_ready_pods_make_it_active(
    changed: dict[str, Any], initialized: bool, reachable: bool, pods: int
) -> None:
    assert enough(replace(SETTINGS, **changed), state(ACTIVE, initialized), reachable) == pods


def test_replicas_are_set_only_where_they_change() -> None:
    assert reconcile(SETTINGS, decided(3), state(ACTIVE), seen()).replicas == 3
    assert reconcile(SETTINGS, decided(3), state(ACTIVE), seen(replicas=3)).replicas is None


@pytest.mark.parametrize(
    ("desired", "excess", "active", "mode"),
    [
        (1, 0, ACTIVE, "Serve"),
        (1, 5, ACTIVE, "Serve"),
        (1, -1, ACTIVE, "Proxy"),
        (-1, 0, IDLE, "Proxy"),
        (-1, 0, ACTIVE, "Proxy"),
        (0, 0, IDLE, "Proxy"),
    ],
)
def test_traffic_goes_to_pods_when_there_are_to_be_some_and_they_can_take_a_burst(
    desired: int, excess: int, active: Condition, mode: str
) -> None:
    assert reconcile(SETTINGS, decided(desired, excess), state(active), seen()).state.mode == mode


def test_a_new_revision_waits_and_becomes_ready_with_its_first_pod() -> None:
    begun = reconcile(SETTINGS, decided(-1), State.begin(NOW), seen(1, ready=0))
    assert (begun.want, begun.replicas, begun.after) == (-1, None, 630)
    assert begun.state.active == replace(QUEUED, since=NOW + 1)
    assert begun.state.ready == replace(QUEUED, since=NOW + 1)
    up = reconcile(SETTINGS, decided(1), begun.state, seen(2)).state
    assert {type_: condition.status for type_, condition in up.conditions.items()} == {
        "Active": "True",
        "Ready": "True",
        "SKSReady": "True",
        "ScaleTargetInitialized": "True",
    }
    assert (up.mode, up.proxied_since, up.desired) == ("Serve", None, 1)


def test_an_initial_scale_of_zero_is_inactive_from_the_start() -> None:
    none = replace(SETTINGS, initial_scale=0)
    begun = reconcile(none, decided(-1), State.begin(NOW), seen(ready=0, replicas=0)).state
    assert (begun.active.reason, begun.initialized.status) == ("NoTraffic", "True")
    again = reconcile(none, decided(-1), begun, seen(5, ready=0, replicas=0)).state
    assert again.active == begun.active


def test_before_it_is_told_inactive_it_was_active_for_a_stable_window() -> None:
    kept = reconcile(SETTINGS, decided(0), state(ACTIVE, mode="Serve"), seen(40, replicas=2))
    assert (kept.want, kept.replicas, kept.after, kept.state.mode) == (1, 1, 20, "Serve")
    told = reconcile(SETTINGS, decided(0), state(ACTIVE, mode="Serve"), seen(60))
    assert (told.want, told.replicas, told.state.mode) == (0, None, "Proxy")
    assert told.state.active == replace(IDLE, since=NOW + 60) == told.state.ready
    assert told.state.proxied_since == NOW + 60


def idle(proxied: float | None = 0, **more: Any) -> State:
    return state(IDLE, proxied_since=None if proxied is None else NOW + proxied, **more)


@pytest.mark.parametrize(
    ("changed", "after", "proxied", "reachable", "replicas", "again"),
    [
        ({}, 10, 0, True, None, 20),
        ({}, 30, 0, True, 0, None),
        # The activator was in the path long before: no need to wait for the network.
        ({}, 1, -29, True, 0, None),
        ({}, 1, -20, True, None, 9),
        ({}, 1, None, True, None, 30),
        ({"pod_retention": 90}, 30, 0, True, None, 60),
        ({"pod_retention": 90}, 89, -100, True, None, 1),
        ({"pod_retention": 90}, 90, 0, True, 0, None),
        ({"pod_retention": 90}, 30, 0, False, 0, None),
        ({"pod_retention": 10}, 12, 5, True, None, 23),
    ],
)
def test_the_last_pod_goes_after_grace_and_retention(
    changed: dict[str, Any],
    after: float,
    proxied: float | None,
    reachable: bool,
    replicas: int | None,
    again: float | None,
) -> None:
    look = seen(after, reachable=reachable, activator_answers=True)
    made = reconcile(replace(SETTINGS, **changed), decided(0), idle(proxied), look)
    assert (made.want, made.replicas, made.after) == (0, replicas, again)


def test_the_activator_has_to_answer_first() -> None:
    made = reconcile(SETTINGS, decided(0), idle(), seen(100))
    assert (made.replicas, made.after, made.probe) == (None, 1, True)
    always = replace(SETTINGS, target_burst_capacity=-1)
    assert reconcile(always, decided(0, -1), idle(), seen(100)).replicas == 0


def test_at_zero_there_is_nothing_left_to_do() -> None:
    made = reconcile(SETTINGS, decided(0), idle(), seen(5, ready=0, replicas=0))
    assert (made.replicas, made.after, made.probe) == (None, None, False)


def test_a_request_at_zero_activates() -> None:
    made = reconcile(SETTINGS, decided(1), idle(), seen(5, ready=0, replicas=0))
    assert (made.replicas, made.state.active) == (1, replace(QUEUED, since=NOW + 5))


def test_an_activation_that_takes_too_long_is_given_up() -> None:
    waiting = state(QUEUED)
    soon = reconcile(SETTINGS, decided(0), waiting, seen(630, ready=0))
    assert (soon.want, soon.replicas, soon.after) == (-1, None, 630)
    late = reconcile(SETTINGS, decided(0), waiting, seen(630.5, ready=0))
    assert (late.want, late.replicas) == (0, 0)
    assert late.state.active == Condition("False", "TimedOut", "The target could not be activated.", NOW + 630.5)
    own = replace(SETTINGS, progress_deadline=10)
    assert reconcile(own, decided(0), waiting, seen(41, ready=0)).replicas == 0


def test_scale_to_zero_can_be_switched_off() -> None:
    made = reconcile(replace(SETTINGS, scale_to_zero=False), decided(0), state(ACTIVE), seen(100, replicas=3))
    assert (made.want, made.replicas) == (1, 1)


@pytest.mark.parametrize(
    ("want", "ready", "active", "reason"),
    [
        (2, 1, ACTIVE, "Queued"),
        (2, 1, IDLE, "Queued"),
        (2, 2, IDLE, ""),
        (-1, 1, IDLE, "NoTraffic"),
        (-1, 1, ACTIVE, "Queued"),
        (-1, 2, IDLE, "NoTraffic"),
        (-1, 2, QUEUED, ""),
        (-1, 2, ACTIVE, ""),
    ],
)
def test_active_follows_from_what_is_wanted_and_what_is_ready(
    want: int, ready: int, active: Condition, reason: str
) -> None:
    """With a min-scale of two, so that two make it active."""
    least = replace(SETTINGS, min_scale=2)
    made = reconcile(least, decided(want), state(active), seen(1, ready=ready, replicas=2))
    assert made.state.active.reason == reason


def test_after_a_restart_the_desired_scale_stands_until_there_is_a_decision() -> None:
    assert reconcile(SETTINGS, decided(-1), state(ACTIVE, desired=4), seen()).state.desired == 4
    assert reconcile(SETTINGS, decided(-1), state(ACTIVE, desired=None), seen()).state.desired == -1


def test_a_revision_at_zero_stays_inactive_over_a_restart() -> None:
    """Its state is that of the status it had; the autoscaler itself knows nothing yet."""
    before = idle(desired=0)
    recalled = State.recalled(before.conditions, 0, "Proxy", NOW + 100)
    assert recalled == replace(before, proxied_since=NOW + 100)
    after = reconcile(SETTINGS, decided(-1), recalled, seen(101, ready=0, replicas=0))
    assert (after.state.active, after.state.desired, after.replicas) == (IDLE, 0, None)
    assert State.recalled({}, None, "Proxy", NOW) == State.begin(NOW)


def test_a_network_that_is_not_ready_shows() -> None:
    made = reconcile(SETTINGS, decided(1), state(ACTIVE), seen(3, network="no endpoints yet")).state
    said = Condition("Unknown", "NotReady", "no endpoints yet", NOW + 3)
    assert (made.network, made.ready) == (said, said)


def test_a_condition_keeps_its_time_until_it_says_something_else() -> None:
    first = reconcile(SETTINGS, decided(2), state(IDLE), seen(1, ready=0)).state
    later = reconcile(SETTINGS, decided(3), first, seen(9, ready=0)).state
    assert later.active is first.active and later.active.since == NOW + 1


def test_without_a_ready_pod_the_activator_is_in_the_path_whatever_the_mode() -> None:
    made = reconcile(SETTINGS, decided(1), idle(2), seen(9, ready=0)).state
    assert (made.mode, made.proxied_since) == ("Serve", NOW + 2)
    assert reconcile(SETTINGS, decided(1), made, seen(10)).state.proxied_since is None


STATES = st.builds(
    state,
    st.sampled_from([ACTIVE, IDLE, QUEUED]),
    st.booleans(),
    mode=st.sampled_from(["Serve", "Proxy"]),
    proxied_since=st.sampled_from([None, NOW]),
)
LOOKS = st.builds(
    seen,
    st.floats(0, 1000),
    st.integers(0, 9),
    st.integers(0, 9),
    reachable=st.booleans(),
    activator_answers=st.booleans(),
)
SOME = st.builds(
    Settings,
    min_scale=st.integers(0, 3),
    max_scale=st.sampled_from([0, 3, 5]),
    initial_scale=st.integers(0, 3),
    scale_to_zero=st.booleans(),
    pod_retention=st.floats(0, 100),
    target_burst_capacity=st.sampled_from([0.0, -1.0, 211.0]),
)


def applied(settings: Settings, desired: int, before: State, look: Seen) -> Outcome:
    return reconcile(settings, decided(desired), before, look)


@given(SOME, st.integers(-1, 9), STATES, LOOKS)
def test_what_is_applied_is_within_the_bounds(settings: Settings, desired: int, before: State, look: Seen) -> None:
    made = applied(settings, desired, before, look)
    if made.replicas is not None:
        assert made.replicas >= (settings.min_scale if look.reachable else 0)
        assert not settings.max_scale or made.replicas <= settings.max_scale
        assert made.replicas != look.replicas
    if made.state.mode == "Serve":
        assert made.want > 0


@given(SOME, st.integers(-1, 9), STATES, LOOKS)
def test_a_look_right_after_changes_nothing_more(settings: Settings, desired: int, before: State, look: Seen) -> None:
    """Replicas that were set are set, so a second look at the same moment has none to set unless the state moved on."""
    made = applied(settings, desired, before, look)
    again = replace(look, replicas=look.replicas if made.replicas is None else made.replicas)
    settled = applied(settings, desired, made.state, again)
    once_more = applied(settings, desired, settled.state, again)
    assert once_more.state.conditions == settled.state.conditions


@given(SOME, STATES, LOOKS)
def test_zero_is_reached_from_inactivity_or_a_failed_activation_only(
    settings: Settings, before: State, look: Seen
) -> None:
    made = applied(settings, 0, before, look)
    if made.replicas == 0:
        assert settings.scale_to_zero and before.active.status != "True"
