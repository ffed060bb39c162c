"""A recommendation → what of it may happen now: steadied over a window, held to a rate, kept within min and max.

Without `spec.behavior` the number at most doubles per sync (to four at least) and comes down after the highest
recommendation of five minutes; with it, the given policies count. Kubernetes' horizontal.go.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

DOWNSCALE_STABILIZATION_SECONDS = 300
_LIMIT_FACTOR, _LIMIT_LEAST = 2, 4
_TOO_FAST = "the desired replica count is {} faster than the maximum scale rate"
_HELD = "recent recommendations were {} than current one, applying the {} recent recommendation"


class Policy(NamedTuple):
    """`type` is Pods or Percent; `value` of it may change within `period` seconds."""

    type: str
    value: int
    period: int


@dataclass(frozen=True)
class Rules:
    """One direction: `window` seconds to steady over; `select` is Max, Min or Disabled."""

    window: int
    select: str
    policies: tuple[Policy, ...]


@dataclass(frozen=True)
class Behavior:
    up: Rules
    down: Rules


class Bounds(NamedTuple):
    least: int
    most: int


class Point(NamedTuple):
    """At `time`, a recommended number of replicas, or by how many the number was changed."""

    time: float
    replicas: int


@dataclass(frozen=True)
class History:
    """Of one autoscaler: recommendations as they were before anything steadied them; changes, up positive."""

    recommendations: tuple[Point, ...] = ()
    changes: tuple[Point, ...] = ()

    def begun(self, current: int, now: float) -> History:
        """The number found at the first look is a recommendation: a restart scales nothing down at once."""
        return self if self.recommendations else History((Point(now, current),), self.changes)

    def recommended(self, replicas: int, now: float, keep: float) -> History:
        kept = tuple(point for point in self.recommendations if point.time > now - keep)
        return History((*kept, Point(now, replicas)), self.changes)

    def changed(self, by: int, now: float, keep: float) -> History:
        kept = tuple(point for point in self.changes if point.time > now - keep)
        return History(self.recommendations, (*kept, Point(now, by)))


class Said(NamedTuple):
    """A condition: what is True or False, why."""

    type: str
    status: bool
    reason: str
    message: str


class Paced(NamedTuple):
    replicas: int
    history: History
    said: tuple[Said, Said]


def paced(wanted: int, current: int, bounds: Bounds, behavior: Behavior | None, history: History, now: float) -> Paced:
    """`wanted` is the metrics' recommendation."""
    up, down = (behavior.up.window, behavior.down.window) if behavior else (0, DOWNSCALE_STABILIZATION_SECONDS)
    low, high = _recent_range(wanted, history.recommendations, now - up, now - down)
    steady = min(max(current, low), high) if behavior else high
    if steady == wanted:
        able = Said("AbleToScale", True, "ReadyForNewScale", "recommended size matches current size")
    elif behavior and wanted >= current:
        able = Said("AbleToScale", True, "ScaleUpStabilized", _HELD.format("lower", "lowest"))
    else:
        able = Said("AbleToScale", True, "ScaleDownStabilized", _HELD.format("higher", "highest"))
    ceiling, floor = _limits(steady, current, bounds, behavior, history.changes, now)
    replicas, limited = _within(steady, ceiling, floor)
    keep = max(up, down, 1)
    return Paced(replicas, history.recommended(wanted, now, keep), (able, limited))


def _recent_range(wanted: int, points: Sequence[Point], up_since: float, down_since: float) -> tuple[int, int]:
    """(the lowest recommendation to go up to, the highest to come down to)."""
    low = min([wanted, *(point.replicas for point in points if point.time > up_since)])
    high = max([wanted, *(point.replicas for point in points if point.time > down_since)])
    return low, high


class _Limit(NamedTuple):
    replicas: int
    reason: str
    message: str


def _limits(
    steady: int, current: int, bounds: Bounds, behavior: Behavior | None, changes: Sequence[Point], now: float
) -> tuple[_Limit, _Limit]:
    most = _Limit(bounds.most, "TooManyReplicas", "the desired replica count is more than the maximum replica count")
    least = _Limit(bounds.least, "TooFewReplicas", "the desired replica count is less than the minimum replica count")
    if behavior is None:
        fastest = max(_LIMIT_FACTOR * current, _LIMIT_LEAST)
    else:
        fastest = max(current, up_limit(behavior.up, current, changes, now)) if steady > current else bounds.most
        slowest = min(current, down_limit(behavior.down, current, changes, now)) if steady < current else bounds.least
        if slowest > bounds.least:
            least = _Limit(slowest, "ScaleDownLimit", _TOO_FAST.format("decreasing"))
    if fastest < bounds.most:
        most = _Limit(fastest, "ScaleUpLimit", _TOO_FAST.format("increasing"))
    return most, least


def _within(steady: int, ceiling: _Limit, floor: _Limit) -> tuple[int, Said]:
    for limit, broken in ((floor, steady < floor.replicas), (ceiling, steady > ceiling.replicas)):
        if broken:
            return limit.replicas, Said("ScalingLimited", True, limit.reason, limit.message)
    fine = "the desired count is within the acceptable range"
    return steady, Said("ScalingLimited", False, "DesiredWithinRange", fine)


def up_limit(rules: Rules, current: int, changes: Sequence[Point], now: float) -> int:
    """The highest number that the policies allow now."""

    def allowed(policy: Policy) -> int:
        begin = current - sum(point.replicas for point in _recent(changes, now - policy.period))
        # Rounded up: a percentage of a few would otherwise never add one. In floating point, as Kubernetes has it.
        return begin + policy.value if policy.type == "Pods" else math.ceil(begin * (1 + policy.value / 100))

    if rules.select == "Disabled":
        return current
    return (min if rules.select == "Min" else max)(map(allowed, rules.policies))


def down_limit(rules: Rules, current: int, changes: Sequence[Point], now: float) -> int:
    """The lowest number that the policies allow now; Min is the policy that changes least."""

    def allowed(policy: Policy) -> int:
        begin = current - sum(point.replicas for point in _recent(changes, now - policy.period))
        return begin - policy.value if policy.type == "Pods" else int(begin * (1 - policy.value / 100))

    if rules.select == "Disabled":
        return current
    return (max if rules.select == "Min" else min)(map(allowed, rules.policies))


def _recent(changes: Sequence[Point], since: float) -> Iterable[Point]:
    return (point for point in changes if point.time > since)


def behavior(given: Mapping[str, Any] | None) -> Behavior | None:
    """`spec.behavior`, its defaults filled in."""
    return (
        Behavior(_rules(given["scaleUp"], 0), _rules(given["scaleDown"], DOWNSCALE_STABILIZATION_SECONDS))
        if given is not None
        else None
    )


def _rules(given: Mapping[str, Any], window: int) -> Rules:
    policies = tuple(Policy(p["type"], p["value"], p["periodSeconds"]) for p in given["policies"])
    return Rules(given.get("stabilizationWindowSeconds", window), given["selectPolicy"], policies)
