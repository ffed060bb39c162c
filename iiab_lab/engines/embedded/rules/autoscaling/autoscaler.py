"""What is heard of one revision, second by second, and the ticks between → its decisions. Collector and decider at work together.

Every call takes the time, so a record of the calls can be played again: the same calls give the same decisions.
"""

from __future__ import annotations

from collections.abc import Sequence

from .decider import TICK, Decider, Decision
from .literals import Seconds
from .metrics import Collector, Stat
from .settings import Settings
from .status import State

ACTIVATOR = "activator"


class Autoscaler:
    def __init__(self, settings: Settings, ready_pods: int, now: Seconds) -> None:
        self.collector, self.decider = Collector(settings), Decider(settings, ready_pods, now)
        self.state = State.begin(now)
        self.next_tick = now + TICK

    @property
    def settings(self) -> Settings:
        return self.decider.settings

    def update(self, now: Seconds, settings: Settings) -> None:
        self.collector.update(now, settings)
        self.decider.update(settings)

    def hear(self, now: Seconds, stats: Sequence[Stat], pods: int) -> bool:
        """A second's stats of `pods` Pods and of the activator → whether to tick at once: the first request came."""
        poked = False
        for stat in stats:
            if stat.pod == ACTIVATOR:
                self.collector.record(now, stat)
                poked |= self.decider.is_poked_by(stat)
        self.collector.scrape(now, [stat for stat in stats if stat.pod != ACTIVATOR], pods)
        if poked:
            self.next_tick = now
        return poked

    def tick(self, now: Seconds, ready_pods: int, reachable: bool) -> Decision | None:
        """None where no tick is due."""
        if now < self.next_tick:
            return None
        self.next_tick = max(self.next_tick + TICK, now)
        stable, panic = self.collector.stable_and_panic(now) or (None, None)
        return self.decider.scale(now, ready_pods, stable, panic, reachable)
