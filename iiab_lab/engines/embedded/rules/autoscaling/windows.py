"""Values as they come in → their average over the last seconds, or the greatest of the last ticks.

Source: knative/serving, pkg/autoscaler/aggregation/{bucketing.go,max}. The order of additions is upstream's too, because the
sum is kept running and a decision may hang on the last digit.
"""

from __future__ import annotations

import math
from collections import deque

from .annotations import WEIGHTED
from .literals import Seconds

_DIGITS = 10**6
# The weights of a window sum up to at least this; the newest has at least that.
_WEIGHTS, _LEAST = 0.9999, 0.2


class Buckets:
    """A ring of buckets of one second: what is recorded within one second adds up.

    A second without a record counts as zero once a later one has come; before that it counts as not there.
    """

    def __init__(self, window: Seconds) -> None:
        self.window = window
        self._buckets = [0.0] * math.ceil(window)
        self._total = 0.0
        self._first: float = -math.inf
        self._last: float = -math.inf

    def record(self, now: Seconds, value: float) -> None:
        """A value for the second that holds `now`; one from before the window is dropped."""
        second = math.floor(now)
        if second != self._last:
            if second + self.window <= self._last:
                return
            if self._first == -math.inf or self._first > second:
                self._first = second
            if second > self._last:
                self._advance(second)
        self._buckets[second % len(self._buckets)] += value
        self._total += value

    def average(self, now: Seconds) -> float:
        """Per second since the first record, at most over the window; 0 where a whole window is silent."""
        silent = math.floor(now) - self._last
        if silent > 0 and silent >= self.window:
            return 0.0
        # Upstream's own form: records ahead of `now` are no silence.
        silent = max(0, int(silent))
        total, size = self._total, len(self._buckets)
        for index in range(silent):
            total -= self._buckets[(int(self._last) + 1 + index) % size]
        return _rounded(total / min(self._last - self._first + 1, size - silent))

    def is_empty(self, now: Seconds) -> bool:
        """Whether nothing was recorded for longer than the window."""
        return math.floor(now) - self._last > self.window

    def resize(self, now: Seconds, window: Seconds) -> None:
        """Keeps the newest values that fit; as upstream does, all old buckets count as written from then on."""
        if window == self.window:
            return
        old, fresh = self._buckets, [0.0] * math.ceil(window)
        if self.is_empty(now):
            self._first, self._total = -math.inf, 0.0
        else:
            last, self._total = int(self._last), 0.0
            for second in range(last, last - min(len(old), len(fresh)), -1):
                fresh[second % len(fresh)] = old[second % len(old)]
                self._total += old[second % len(old)]
            self._first = self._last - len(old) + 1
        self.window, self._buckets = window, fresh

    def _advance(self, second: int) -> None:
        if second - self._last >= self.window:
            self._first, self._total = second, 0.0
            self._buckets = [0.0] * len(self._buckets)
        else:
            for passed in range(int(self._last) + 1, second + 1):
                index = passed % len(self._buckets)
                self._total -= self._buckets[index]
                self._buckets[index] = 0.0
        self._last = second


class WeightedBuckets(Buckets):
    """The same ring; a second weighs the less the older it is."""

    def average(self, now: Seconds) -> float:
        if self.is_empty(now):
            return 0.0
        size, share = len(self._buckets), weight(len(self._buckets))
        silent = max(0, math.floor(now) - int(self._last))
        multiplier, total = share * (1 - share) ** silent, 0.0
        for age in range(size - silent):
            total += self._buckets[(int(self._last) - age) % size] * multiplier
            multiplier *= 1 - share
        return total


class Maximum:
    """The greatest value of the last `window` seconds, in steps of one tick."""

    def __init__(self, window: Seconds, tick: Seconds) -> None:
        self._size, self._tick = math.ceil(window / tick), tick
        # (step, value): steps rise, values fall, so the greatest stands first.
        self._maxima: deque[tuple[int, int]] = deque()

    def record(self, now: Seconds, value: int) -> int:
        """Records it and tells the greatest."""
        step = int(math.floor(now) // self._tick)
        while self._maxima and self._maxima[-1][1] <= value:
            self._maxima.pop()
        while self._maxima and step - self._maxima[0][0] >= self._size:
            self._maxima.popleft()
        if not self._maxima or self._maxima[-1][0] != step:
            self._maxima.append((step, value))
        return self._maxima[0][1]


def buckets(window: Seconds, algorithm: str) -> Buckets:
    return WeightedBuckets(window) if algorithm == WEIGHTED else Buckets(window)


def weight(size: int) -> float:
    """How much the newest of `size` buckets weighs."""
    return max(_LEAST, 1 - math.pow(1 - _WEIGHTS, 1 / size))


def _rounded(value: float) -> float:
    """To six digits, halves away from zero."""
    return math.copysign(math.floor(abs(value) * _DIGITS + 0.5), value) / _DIGITS
