"""Annotations and containerConcurrency of a revision, and the ConfigMap → everything its autoscaling goes by.

Source: knative/serving, pkg/reconciler/autoscaling/{resources/{target,metric}.go,kpa/resources/decider.go}.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

from . import annotations as names
from .annotations import CONCURRENCY, LINEAR, RPS, Annotations
from .config import TARGET_MIN, TARGET_UTILIZATION, Config
from .literals import Seconds

BUCKET: Seconds = 1.0
PROGRESS_DEADLINE: Seconds = 600.0

T = TypeVar("T")


@dataclass(frozen=True)
class Settings:
    """Of one revision. `target` and `total` are per Pod: what is aimed for and what a Pod can take, `target <= total`.

    A `max_scale` of 0 has no bound, a `target_burst_capacity` of -1 is unlimited; threshold and rates are factors.
    """

    metric: str = CONCURRENCY
    target: float = 70.0
    total: float = 100.0
    stable_window: Seconds = 60.0
    panic_window: Seconds = 6.0
    panic_threshold: float = 2.0
    max_scale_up_rate: float = 1000.0
    max_scale_down_rate: float = 2.0
    activation_scale: int = 0
    scale_down_delay: Seconds = 0.0
    target_burst_capacity: float = 211.0
    min_scale: int = 0
    max_scale: int = 0
    initial_scale: int = 1
    scale_to_zero: bool = True
    grace_period: Seconds = 30.0
    pod_retention: Seconds = 0.0
    progress_deadline: Seconds = PROGRESS_DEADLINE
    algorithm: str = LINEAR

    @classmethod
    def of(cls, annotations: Annotations, container_concurrency: int, config: Config) -> Settings:
        """A value that cannot be read counts as not given: what may stand there, `annotations.problems` tells."""
        target, total = _target(annotations, container_concurrency, config)
        window = _or(names.WINDOW.value(annotations), config.stable_window)
        panic = _or(names.PANIC_WINDOW.value(annotations), config.panic_window_percentage)
        threshold = _or(names.PANIC_THRESHOLD.value(annotations), config.panic_threshold_percentage)
        return cls(
            metric=names.metric(annotations),
            target=target,
            total=total,
            stable_window=window,
            # Halves away from zero, as Go rounds a duration.
            panic_window=max(BUCKET, float(int(window * panic / 100 + 0.5))),
            panic_threshold=threshold / 100,
            max_scale_up_rate=config.max_scale_up_rate,
            max_scale_down_rate=config.max_scale_down_rate,
            activation_scale=_or(names.ACTIVATION_SCALE.value(annotations), 0),
            scale_down_delay=_or(names.SCALE_DOWN_DELAY.value(annotations), config.scale_down_delay),
            target_burst_capacity=_or(names.TARGET_BURST_CAPACITY.value(annotations), config.target_burst_capacity),
            min_scale=_or(names.MIN_SCALE.value(annotations), config.min_scale),
            max_scale=_or(names.MAX_SCALE.value(annotations), config.max_scale),
            initial_scale=_initial_scale(annotations, config),
            scale_to_zero=config.enable_scale_to_zero,
            grace_period=config.scale_to_zero_grace_period,
            pod_retention=_or(names.POD_RETENTION.value(annotations), config.scale_to_zero_pod_retention_period),
            progress_deadline=_or(names.PROGRESS_DEADLINE.value(annotations), PROGRESS_DEADLINE),
            algorithm=names.algorithm(annotations),
        )


def _target(annotations: Annotations, container_concurrency: int, config: Config) -> tuple[float, float]:
    given = names.TARGET.value(annotations)
    if names.metric(annotations) == RPS:
        total, share = config.requests_per_second_target_default, TARGET_UTILIZATION
        total = _or(given, total)
    else:
        total = float(container_concurrency) or _or(given, config.container_concurrency_target_default)
        total, share = min(total, _or(given, total)), config.target_fraction
    if (percent := names.TARGET_UTILIZATION.value(annotations)) is not None:
        share = percent / 100
    return max(TARGET_MIN, total * share), total


def _initial_scale(annotations: Annotations, config: Config) -> int:
    given = names.INITIAL_SCALE.value(annotations)
    return config.initial_scale if given is None or (given == 0 and not config.allow_zero_initial_scale) else given


def _or(value: T | None, default: T) -> T:
    return default if value is None else value
