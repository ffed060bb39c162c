"""How fast a number may follow its recommendations: windows, policies, bounds; and hours of it."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iiab_lab.engines.embedded.rules.horizontal_autoscaling.pace import (
    Behavior,
    Bounds,
    History,
    Point,
    Policy,
    Rules,
    behavior,
    down_limit,
    paced,
    up_limit,
)

BOUNDS = Bounds(1, 20)
UP = Rules(0, "Max", (Policy("Pods", 4, 15), Policy("Percent", 100, 15)))
DOWN = Rules(300, "Max", (Policy("Percent", 100, 15),))
DEFAULTS = Behavior(UP, DOWN)
SYNC = 15


@pytest.mark.parametrize(
    ("select", "current", "changes", "limit"),
    [
        ("Max", 1, [], 5),
        ("Max", 10, [], 20),
        ("Min", 10, [], 14),
        ("Disabled", 10, [], 10),
        ("Max", 5, [Point(95, 4)], 5),  # four were added ten seconds ago: from one, five
        ("Max", 5, [Point(84, 4)], 10),  # longer ago than the period
        ("Max", 3, [Point(95, -3)], 12),  # three went: from six
    ],
)
def test_up_limit(select: str, current: int, changes: list[Point], limit: int) -> None:
    assert up_limit(Rules(0, select, UP.policies), current, changes, 100) == limit


@pytest.mark.parametrize(
    ("select", "policies", "current", "changes", "limit"),
    [
        ("Max", (Policy("Percent", 100, 15),), 10, [], 0),
        ("Max", (Policy("Percent", 25, 60), Policy("Pods", 1, 60)), 10, [], 7),
        ("Min", (Policy("Percent", 25, 60), Policy("Pods", 1, 60)), 10, [], 9),
        ("Disabled", (Policy("Pods", 1, 60),), 10, [], 10),
        ("Max", (Policy("Pods", 2, 60),), 8, [Point(50, -2)], 8),
        ("Max", (Policy("Percent", 90, 60),), 10, [], 0),  # 0.9999…, cut: Kubernetes' floating point
    ],
)
def test_down_limit(select: str, policies: tuple[Policy, ...], current: int, changes: list[Point], limit: int) -> None:
    assert down_limit(Rules(0, select, policies), current, changes, 100) == limit


@pytest.mark.parametrize(
    ("wanted", "current", "rules", "recent", "replicas", "able", "limited"),
    [
        (3, 2, None, [], 3, "ReadyForNewScale", "DesiredWithinRange"),
        (30, 2, None, [], 4, "ReadyForNewScale", "ScaleUpLimit"),
        (30, 15, None, [], 20, "ReadyForNewScale", "TooManyReplicas"),
        (0, 2, None, [], 1, "ReadyForNewScale", "TooFewReplicas"),
        (1, 4, None, [Point(90, 4)], 4, "ScaleDownStabilized", "DesiredWithinRange"),
        (5, 6, None, [Point(90, 8)], 8, "ScaleDownStabilized", "DesiredWithinRange"),
        (30, 2, DEFAULTS, [], 6, "ReadyForNewScale", "ScaleUpLimit"),
        (30, 15, DEFAULTS, [], 20, "ReadyForNewScale", "TooManyReplicas"),
        (0, 2, DEFAULTS, [], 1, "ReadyForNewScale", "TooFewReplicas"),
        (5, 6, DEFAULTS, [Point(90, 8)], 6, "ScaleDownStabilized", "DesiredWithinRange"),
        (1, 8, Behavior(UP, Rules(0, "Max", (Policy("Pods", 2, 60),))), [], 6, "ReadyForNewScale", "ScaleDownLimit"),
        (
            9,
            2,
            Behavior(Rules(60, "Max", UP.policies), DOWN),
            [Point(90, 3)],
            3,
            "ScaleUpStabilized",
            "DesiredWithinRange",
        ),
    ],
)
def test_one_step(
    wanted: int, current: int, rules: Behavior | None, recent: list[Point], replicas: int, able: str, limited: str
) -> None:
    made = paced(wanted, current, BOUNDS, rules, History(tuple(recent)), 100)
    assert (made.replicas, *(said.reason for said in made.said)) == (replicas, able, limited)
    assert made.said[0].status and made.said[1].status == (limited != "DesiredWithinRange")


policies = st.lists(
    st.builds(Policy, st.sampled_from(["Pods", "Percent"]), st.integers(1, 200), st.integers(1, 1800)),
    min_size=1,
    max_size=3,
).map(tuple)
directions = st.builds(Rules, st.integers(0, 3600), st.sampled_from(["Max", "Min", "Disabled"]), policies)
behaviors = st.one_of(st.none(), st.builds(Behavior, directions, directions))
loads = st.lists(st.integers(0, 40), min_size=1, max_size=60)


def followed(wishes: list[int], bounds: Bounds, rules: Behavior | None) -> list[int]:
    """The number after each sync."""
    current, history, seen = bounds.least, History(), []
    for count, wanted in enumerate(wishes):
        now = count * SYNC
        history = history.begun(current, now)
        made = paced(wanted, current, bounds, rules, history, now)
        history = made.history.changed(made.replicas - current, now, 1800) if rules else made.history
        current = made.replicas
        seen.append(current)
    return seen


@given(loads, behaviors, st.integers(1, 5), st.integers(0, 15))
def test_never_outside_the_bounds(wishes: list[int], rules: Behavior | None, least: int, more: int) -> None:
    assert set(followed(wishes, Bounds(least, least + more), rules)) <= set(range(least, least + more + 1))


@given(loads, behaviors)
def test_a_higher_wish_never_gets_less(wishes: list[int], rules: Behavior | None) -> None:
    *before, last = wishes
    numbers = [followed([*before, last + more], BOUNDS, rules)[-1] for more in (0, 1, 7)]
    assert numbers == sorted(numbers)


@given(loads, st.sampled_from([None, DEFAULTS]))
def test_nothing_goes_that_was_wanted_within_five_minutes(wishes: list[int], rules: Behavior | None) -> None:
    numbers = followed(wishes, BOUNDS, rules)
    for at in range(1, len(numbers)):
        if numbers[at] < numbers[at - 1]:
            assert numbers[at] >= min(20, max(wishes[max(0, at - 19) : at + 1]))


@given(loads, directions)
def test_a_disabled_direction_does_not_move(wishes: list[int], other: Rules) -> None:
    off = Rules(0, "Disabled", (Policy("Pods", 1, 15),))
    assert set(followed(wishes, BOUNDS, Behavior(off, other))) == {1}
    numbers = followed(wishes, BOUNDS, Behavior(UP, off))
    assert numbers == sorted(numbers)


def test_ten_hours_of_load_that_comes_and_goes_is_followed_without_flapping() -> None:
    """An hour of twelve, an hour of two, and so on, with a ripple of one on it at every sync."""
    hour = 3600 // SYNC
    wishes = [(12 if (i // hour) % 2 == 0 else 2) + i % 2 for i in range(10 * hour)]
    numbers = followed(wishes, BOUNDS, DEFAULTS)
    turns = [(a, b) for a, b in pairwise(numbers) if a != b]
    downs = [(a, b) for a, b in turns if b < a]
    assert downs == [(13, 3)] * 5
    assert numbers[hour - 1] == 13 and numbers[2 * hour - 1] == 3
    assert numbers.index(13) * SYNC <= 45


def test_the_defaults_of_the_api_are_read() -> None:
    given_ = {
        "scaleUp": {
            "stabilizationWindowSeconds": 0,
            "selectPolicy": "Max",
            "policies": [
                {"type": "Pods", "value": 4, "periodSeconds": 15},
                {"type": "Percent", "value": 100, "periodSeconds": 15},
            ],
        },
        "scaleDown": {"selectPolicy": "Max", "policies": [{"type": "Percent", "value": 100, "periodSeconds": 15}]},
    }
    assert behavior(given_) == DEFAULTS and behavior(None) is None
