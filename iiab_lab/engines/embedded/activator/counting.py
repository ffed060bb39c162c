"""Arrivals and ends at their moments → how many requests there were at a time, on average, and how many came."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Count:
    """Time-weighted, as Knative's queue-proxy and activator average: ten requests for a tenth of a second count 1."""

    since: float
    current: int = 0
    _changed: float = 0.0
    _area: float = 0.0
    _came: int = 0

    def __post_init__(self) -> None:
        self._changed = self.since

    def begin(self, now: float) -> None:
        self._move(now, 1)
        self._came += 1

    def end(self, now: float) -> None:
        self._move(now, -1)

    def report(self, now: float) -> tuple[float, int]:
        """→ the average since the last report, and how many came since; both begin anew."""
        self._move(now, 0)
        seconds = now - self.since
        average = self._area / seconds if seconds > 0 else float(self.current)
        came, self._came, self._area, self.since = self._came, 0, 0.0, now
        return average, came

    def _move(self, now: float, by: int) -> None:
        self._area += self.current * (now - self._changed)
        self._changed, self.current = now, self.current + by
