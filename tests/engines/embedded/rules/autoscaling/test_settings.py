"""Annotations, containerConcurrency and ConfigMap → what a revision is scaled by."""

from __future__ import annotations

from typing import Any

import pytest

from iiab_lab.engines.embedded.rules.autoscaling.annotations import autoscaler_class
from iiab_lab.engines.embedded.rules.autoscaling.config import HPA, Config
from iiab_lab.engines.embedded.rules.autoscaling.settings import Settings

GROUP = "autoscaling.knative.dev"


def settings(given: dict[str, str] | None = None, concurrency: int = 0, **config: Any) -> Settings:
    return Settings.of({f"{GROUP}/{k}": v for k, v in (given or {}).items()}, concurrency, Config(**config))


def test_without_anything_it_is_upstreams_defaults() -> None:
    assert settings() == Settings()


@pytest.mark.parametrize(
    ("given", "concurrency", "target", "total"),
    [
        ({}, 0, 70, 100),
        ({}, 2, 1.4, 2),
        ({"target": "5"}, 0, 3.5, 5),
        ({"target": "5"}, 2, 1.4, 2),
        ({"target": "1"}, 2, 0.7, 1),
        ({"target": "0.01"}, 0, 0.01, 0.01),
        ({"target-utilization-percentage": "100"}, 2, 2, 2),
        ({"metric": "rps"}, 0, 140, 200),
        ({"metric": "rps"}, 2, 140, 200),
        ({"metric": "rps", "target": "50"}, 2, 35, 50),
        ({"metric": "rps", "target": "50", "targetUtilizationPercentage": "80"}, 0, 40, 50),
    ],
)
def test_target_and_total(given: dict[str, str], concurrency: int, target: float, total: float) -> None:
    made = settings(given, concurrency)
    assert (made.target, made.total) == (pytest.approx(target), total)


@pytest.mark.parametrize(
    ("window", "percent", "panic"),
    [("60s", "10", 6), ("6s", "10", 1), ("6s", "1", 1), ("15s", "10", 2), ("14s", "10", 1), ("1h", "50", 1800)],
)
def test_the_panic_window_is_a_share_in_whole_seconds_and_at_least_one(window: str, percent: str, panic: float) -> None:
    made = settings({"window": window, "panic-window-percentage": percent})
    assert made.panic_window == panic


def test_an_annotation_counts_before_the_configmap() -> None:
    config = {"min_scale": 1, "max_scale": 5, "stable_window": 30.0, "target_burst_capacity": 0.0, "initial_scale": 3}
    made = settings({}, **config)
    assert (made.min_scale, made.max_scale, made.stable_window, made.target_burst_capacity) == (1, 5, 30, 0)
    given = {
        "min-scale": "0",
        "max-scale": "9",
        "window": "12s",
        "target-burst-capacity": "-1",
        "initial-scale": "2",
        "activation-scale": "4",
        "scale-down-delay": "1m",
        "scale-to-zero-pod-retention-period": "90s",
        "panic-threshold-percentage": "150",
        "metric-aggregation-algorithm": "weightedExponential",
    }
    made = settings(given, **config)
    assert (made.min_scale, made.max_scale, made.stable_window, made.target_burst_capacity) == (0, 9, 12, -1)
    assert (made.initial_scale, made.activation_scale) == (2, 4)
    assert (made.scale_down_delay, made.pod_retention, made.panic_threshold) == (60, 90, 1.5)
    assert made.algorithm == "weighted-exponential"


def test_an_initial_scale_of_zero_needs_leave() -> None:
    assert settings({"initial-scale": "0"}).initial_scale == 1
    assert settings({"initial-scale": "0"}, allow_zero_initial_scale=True).initial_scale == 0


def test_the_progress_deadline_is_the_revisions() -> None:
    assert Settings.of({"serving.knative.dev/progress-deadline": "90s"}, 0, Config()).progress_deadline == 90


def test_the_class_is_the_annotations_else_the_configmaps() -> None:
    assert autoscaler_class({}, Config(pod_autoscaler_class=HPA)) == HPA
    assert autoscaler_class({f"{GROUP}/class": "own"}, Config()) == "own"
