"""Ready Pods and what the windows say, every two seconds → how many Pods there should be.

Source: knative/serving, pkg/autoscaler/scaling/{autoscaler,multiscaler}.go.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from .literals import INT32, Seconds
from .metrics import Stat
from .settings import Settings
from .windows import Maximum

TICK: Seconds = 2.0


@dataclass(frozen=True)
class Decision:
    """Where a tick has no data, `valid` is False and the rest is as the last valid one left it (at first: -1 Pods).

    `changed`: whether the reconciler has to know, as the number or the sign of the excess burst capacity is another.
    """

    desired: int
    excess_burst_capacity: int
    valid: bool
    panicking: bool
    changed: bool = False
    stable: float = 0.0
    panic: float = 0.0


class Decider:
    """Of one revision. With more than one ready Pod it begins in panic: history is lost, so nothing shrinks at first."""

    def __init__(self, settings: Settings, ready_pods: int, now: Seconds) -> None:
        self.settings = settings
        self._panic_since = now if ready_pods > 1 else None
        self._panic_pods = ready_pods
        # Made once: a delay that the ConfigMap changes later is in force for new deciders, as upstream.
        self._delay = Maximum(settings.scale_down_delay, TICK) if settings.scale_down_delay > 0 else None
        self.decision = Decision(-1, _first_excess(settings), False, self.panicking)

    @property
    def panicking(self) -> bool:
        return self._panic_since is not None

    def update(self, settings: Settings) -> None:
        """In force from the next tick on."""
        self.settings = settings

    def is_poked_by(self, stat: Stat) -> bool:
        """Whether this stat of the activator is reason to tick at once: something came, and nothing is wanted."""
        return self.decision.desired == 0 and stat.concurrency != 0

    def scale(
        self, now: Seconds, ready_pods: int, stable: float | None, panic: float | None, reachable: bool
    ) -> Decision:
        """One tick. `stable` and `panic` as the collector has them, None for no data."""
        if stable is None or panic is None:
            self.decision = replace(self.decision, valid=False, changed=False, panicking=self.panicking)
            return self.decision
        for_stable, for_panic = (self._pods(value, ready_pods, reachable) for value in (stable, panic))
        self._watch(now, self._needed(panic) / max(1, ready_pods))
        desired = for_stable
        if self.panicking:
            self._panic_pods = desired = max(for_stable, for_panic, self._panic_pods)
        if self._delay and reachable:
            desired = self._delay.record(now, desired)
        self.decision = self._decided(desired, excess_burst_capacity(self.settings, ready_pods, panic), stable, panic)
        return self.decision

    def _needed(self, value: float) -> int:
        return math.ceil(min(value / self.settings.target, INT32))

    def _pods(self, value: float, ready_pods: int, reachable: bool) -> int:
        """Within the rates from what is ready; activation-scale comes after them."""
        settings, ready = self.settings, max(1, ready_pods)
        most = math.ceil(min(settings.max_scale_up_rate * ready, INT32))
        least = math.floor(ready / settings.max_scale_down_rate) if reachable else 0
        needed = self._needed(value)
        pods = min(max(needed, least), most)
        return max(pods, settings.activation_scale) if settings.activation_scale > 1 and needed > 0 else pods

    def _watch(self, now: Seconds, load: float) -> None:
        """Enters panic, extends it, or leaves it once the surge is a whole stable window old."""
        if load >= self.settings.panic_threshold:
            self._panic_since = now
        elif self._panic_since is not None and self._panic_since + self.settings.stable_window < now:
            self._panic_since, self._panic_pods = None, 0

    def _decided(self, desired: int, excess: int, stable: float, panic: float) -> Decision:
        last = self.decision
        changed = desired != last.desired or (excess < 0) != (last.excess_burst_capacity < 0)
        return Decision(desired, excess, True, self.panicking, changed, stable, panic)


def excess_burst_capacity(settings: Settings, ready_pods: int, panic: float) -> int:
    """What the ready Pods can take beyond the load and the burst that is to be expected; below 0 the activator helps."""
    burst = settings.target_burst_capacity
    if burst <= 0:
        return 0 if burst == 0 else -1
    return math.floor(ready_pods * settings.total - burst - panic)


def _first_excess(settings: Settings) -> int:
    burst = settings.target_burst_capacity
    return int(burst) if burst in (-1, 0) else int(settings.initial_scale * settings.total - burst)
