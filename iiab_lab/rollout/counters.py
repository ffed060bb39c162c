"""A counter in Prometheus → by how much each of its series grew since it was last asked for, exactly.

`increase()` extrapolates to the edges of its window, so its numbers are no counts. Here the series themselves are compared
with what they were: a new one began at nothing, one that fell has begun anew, and one that is gone stays counted as far as
it was seen.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from ..plots.prometheus import Prometheus

Series = tuple[tuple[str, str], ...]
Growth = Counter[tuple[str, ...]]


class Counted:
    """`by` are the labels that the growth is summed by. The first `grown` counts from when this was made."""

    def __init__(self, prometheus: Prometheus, query: str, by: Sequence[str]) -> None:
        self._prometheus, self._query, self._by = prometheus, query, tuple(by)
        self._seen: dict[Series, float] = {}
        self.grown()

    def grown(self) -> Growth:
        """Values of the labels `by` → whole numbers; only what grew."""
        found: Growth = Counter()
        for labels, value in self._prometheus.series(self._query):
            key = tuple(sorted(labels.items()))
            before = self._seen.get(key, 0.0)
            more = round(value - before if value >= before else value)
            if more:
                found[tuple(labels.get(label, "") for label in self._by)] += more
            self._seen[key] = value
        return found
