"""Stats of a revision's Pods and of the activator → its concurrency and requests per second, stable and panic.

Source: knative/serving, pkg/autoscaler/metrics/{collector,stats_scraper,sample_size}.go.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from .annotations import CONCURRENCY, RPS
from .literals import Seconds
from .settings import Settings
from .windows import Buckets, buckets

SCRAPE: Seconds = 1.0
# 95 % confidence, a variance of 100, a margin of error of 5.
_SAMPLE = 1.96**2 * 100 / 5**2


@dataclass(frozen=True)
class Stat:
    """Of one Pod, or of the activator, over one second.

    `concurrency` is the mean number of requests in flight, `requests` how many came; `proxied_…` is the part that came
    through the activator, which has counted it already.
    """

    pod: str
    concurrency: float = 0.0
    proxied_concurrency: float = 0.0
    requests: float = 0.0
    proxied_requests: float = 0.0


class Collector:
    """The windows of one revision."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._windows: dict[str, tuple[Buckets, Buckets]] = {
            metric: (
                buckets(settings.stable_window, settings.algorithm),
                buckets(settings.panic_window, settings.algorithm),
            )
            for metric in (CONCURRENCY, RPS)
        }

    @property
    def scrapes(self) -> bool:
        """Whether Pods are asked at all: not where the activator sees every request."""
        return self.settings.target_burst_capacity != -1

    def update(self, now: Seconds, settings: Settings) -> None:
        """New windows keep what they can; the algorithm stays what it was, as a revision's annotations do."""
        self.settings = settings
        for stable, panic in self._windows.values():
            stable.resize(now, settings.stable_window)
            panic.resize(now, settings.panic_window)

    def scrape(self, now: Seconds, stats: Sequence[Stat], pods: int | None = None) -> None:
        """What the Pods said that answered, of `pods` there are (default: all answered); too few count as none."""
        if self.scrapes and (stat := scraped(stats, len(stats) if pods is None else pods)):
            self.record(now, stat)

    def record(self, now: Seconds, stat: Stat) -> None:
        """One stat as it is: the activator's, or a whole scrape's."""
        values = {CONCURRENCY: stat.concurrency - stat.proxied_concurrency, RPS: stat.requests - stat.proxied_requests}
        for metric, value in values.items():
            for window in self._windows[metric]:
                window.record(now, value)

    def stable_and_panic(self, now: Seconds, metric: str = "") -> tuple[float, float] | None:
        """Of the metric the revision is scaled on, or of the named one; None where Pods are scraped and none answered."""
        stable, panic = self._windows[metric or self.settings.metric]
        if self.scrapes and stable.is_empty(now):
            return None
        return stable.average(now), panic.average(now)


def scraped(stats: Sequence[Stat], pods: int) -> Stat | None:
    """The Pods' stats as one: the mean of those that answered, times the Pods; None if too few did, or there are none."""
    if not stats or len(stats) < sample_size(pods):
        return None
    scale = pods / len(stats)
    return Stat(
        "service-scraper",
        sum(stat.concurrency for stat in stats) * scale,
        sum(stat.proxied_concurrency for stat in stats) * scale,
        sum(stat.requests for stat in stats) * scale,
        sum(stat.proxied_requests for stat in stats) * scale,
    )


def sample_size(pods: int) -> int:
    """How many Pods have to answer to stand for all of them."""
    return max(0, pods) if pods <= 3 else math.ceil(pods * _SAMPLE / (pods + _SAMPLE - 1))
