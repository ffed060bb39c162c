"""What the autoscaler is told of requests, and when: once at once, and then a second at a time."""

from __future__ import annotations

from typing import Any

from iiab_lab.engines.embedded.activator.reporter import Reporter

NAME = "tenant-a/model-00001"


class Told:
    """A reporter on a clock that stands still unless it is moved."""

    def __init__(self) -> None:
        self.now, self.stats = 0.0, list[dict[str, Any]]()
        self.reporter = Reporter(lambda stats: self.stats.extend(stats), lambda: self.now)

    def request(self, seconds: float) -> None:
        with self.reporter.request(NAME) as proxied, proxied:
            self.now += seconds

    def second(self, end: float) -> dict[str, Any]:
        self.now = end
        self.reporter.report()
        return self.stats[-1]

    @property
    def firsts(self) -> int:
        return sum(stat["first"] for stat in self.stats)


def test_requests_that_follow_one_another_are_told_at_once_only_the_first_time() -> None:
    told = Told()
    for _ in range(10):
        told.request(0.05)
    assert told.firsts == 1 and told.stats[0]["concurrency"] == 1


def test_its_second_tells_of_the_first_no_more() -> None:
    told = Told()
    for _ in range(10):
        told.request(0.05)
    assert (told.second(1)["concurrency"], told.stats[-1]["requests"]) == (0, 9)
    told.request(0.5)
    assert (told.second(2)["concurrency"], told.stats[-1]["requests"]) == (0.5, 1)
    assert told.firsts == 1


def test_after_a_second_without_any_the_next_is_a_first_again() -> None:
    told = Told()
    told.request(0.05)
    told.second(1)
    told.second(2)
    told.request(0.05)
    assert told.firsts == 2
