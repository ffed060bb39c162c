"""Stats of Pods and the activator → stable and panic concurrency and requests per second."""

from __future__ import annotations

from dataclasses import replace

import pytest

from iiab_lab.engines.embedded.rules.autoscaling.metrics import Collector, Stat, sample_size, scraped
from iiab_lab.engines.embedded.rules.autoscaling.settings import Settings

NOW = 1_700_000_000.0
ACTIVATOR = Stat("activator", 3, 0, 6, 0)


@pytest.mark.parametrize(
    ("pods", "size"), [(-1, 0), (0, 0), (1, 1), (3, 3), (4, 4), (5, 4), (10, 7), (100, 14), (10**6, 16)]
)
def test_how_many_pods_stand_for_all(pods: int, size: int) -> None:
    assert sample_size(pods) == size


def test_a_scrape_is_the_mean_times_the_pods() -> None:
    stats = [Stat(f"pod-{n}", n, n / 2, 2 * n, n) for n in range(1, 5)]
    assert scraped(stats, 4) == Stat("service-scraper", 10, 5, 20, 10)
    assert scraped(stats, 5) == Stat("service-scraper", 12.5, 6.25, 25, 12.5)
    assert scraped(stats, 10) is None
    assert scraped([], 0) is None


def test_what_came_through_the_activator_is_counted_once() -> None:
    collector = Collector(Settings())
    collector.record(NOW, ACTIVATOR)
    collector.scrape(NOW, [Stat("pod", 4, 3, 8, 6)])
    assert collector.stable_and_panic(NOW) == (4, 4)
    assert collector.stable_and_panic(NOW, "rps") == (8, 8)


def test_the_revisions_metric_is_told_unless_another_is_asked_for() -> None:
    collector = Collector(Settings(metric="rps"))
    collector.scrape(NOW, [Stat("pod", 4, 0, 8, 0)])
    assert collector.stable_and_panic(NOW) == (8, 8)
    assert collector.stable_and_panic(NOW, "concurrency") == (4, 4)


def test_the_panic_window_is_the_shorter_one() -> None:
    collector = Collector(Settings(stable_window=10, panic_window=2))
    for second in range(10):
        collector.scrape(NOW + second, [Stat("pod", second)])
    assert collector.stable_and_panic(NOW + 9) == (4.5, 8.5)


def test_idle_pods_are_data_and_silence_is_none() -> None:
    collector = Collector(Settings(stable_window=6, panic_window=1))
    assert collector.stable_and_panic(NOW) is None
    collector.scrape(NOW, [])
    assert collector.stable_and_panic(NOW) is None
    collector.scrape(NOW, [Stat("pod")])
    assert collector.stable_and_panic(NOW) == (0, 0)
    assert collector.stable_and_panic(NOW + 6) == (0, 0)
    assert collector.stable_and_panic(NOW + 7) is None


def test_where_the_activator_sees_all_no_pod_is_asked_and_silence_is_zero() -> None:
    collector = Collector(Settings(target_burst_capacity=-1))
    assert collector.stable_and_panic(NOW) == (0, 0)
    collector.scrape(NOW, [Stat("pod", 9)])
    collector.record(NOW, ACTIVATOR)
    assert collector.stable_and_panic(NOW) == (3, 3)


def test_new_settings_resize_the_windows() -> None:
    settings = Settings(stable_window=10, panic_window=2)
    collector = Collector(settings)
    for second in range(10):
        collector.record(NOW + second, Stat("pod", second))
    collector.update(NOW + 9, replace(settings, stable_window=6))
    assert collector.stable_and_panic(NOW + 9) == (6.5, 8.5)


def test_the_weighted_algorithm_leans_to_the_newest() -> None:
    weighted = Collector(Settings(stable_window=10, algorithm="weighted-exponential"))
    for second, load in enumerate([0, 0, 0, 0, 10]):
        weighted.record(NOW + second, Stat("pod", load))
    stable, _ = weighted.stable_and_panic(NOW + 4) or (0, 0)
    assert stable > 5
