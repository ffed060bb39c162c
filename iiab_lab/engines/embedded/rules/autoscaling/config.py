"""ConfigMap knative-serving/config-autoscaler → the autoscaler's settings for all revisions, or what is wrong with it.

Source: knative/serving, pkg/autoscaler/config/config.go. A field here is a key there, with `_` for `-`; one that is missing
has upstream's default; a key that is unknown (`_example`) is passed over, as upstream does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

from ...objects.kinds import Key
from ...objects.meta import Object
from . import literals
from .literals import Seconds, duration_text, number_text

KEY = Key("knative-serving", "config-autoscaler")
KPA, HPA = "kpa.autoscaling.knative.dev", "hpa.autoscaling.knative.dev"
TARGET_MIN = 0.01
WINDOW_MIN, WINDOW_MAX = 6.0, 3600.0
PANIC_WINDOW_MIN, PANIC_WINDOW_MAX = 1.0, 100.0
# What metrics other than concurrency aim for, of their total; no key sets it.
TARGET_UTILIZATION = 0.7

_PARSERS: dict[str, Callable[[str], Any]] = {
    "str": str.strip,
    "bool": literals.boolean,
    "float": literals.number,
    "int": literals.integer,
    "Seconds": literals.duration,
}


@dataclass(frozen=True)
class Config:
    """In the order in which upstream reads them, so that of several bad values the same one is told of."""

    pod_autoscaler_class: str = KPA
    enable_scale_to_zero: bool = True
    allow_zero_initial_scale: bool = False
    max_scale_up_rate: float = 1000.0
    max_scale_down_rate: float = 2.0
    container_concurrency_target_percentage: float = 70.0
    container_concurrency_target_default: float = 100.0
    requests_per_second_target_default: float = 200.0
    target_burst_capacity: float = 211.0
    panic_window_percentage: float = 10.0
    activator_capacity: float = 100.0
    panic_threshold_percentage: float = 200.0
    initial_scale: int = 1
    min_scale: int = 0
    max_scale: int = 0
    max_scale_limit: int = 0
    stable_window: Seconds = 60.0
    scale_down_delay: Seconds = 0.0
    scale_to_zero_grace_period: Seconds = 30.0
    scale_to_zero_pod_retention_period: Seconds = 0.0

    @classmethod
    def of(cls, found: Object | None) -> Config:
        """What the ConfigMap says; where there is none, upstream's defaults."""
        return cls.parse((found or {}).get("data") or {})

    @classmethod
    def parse(cls, data: Mapping[str, str]) -> Config:
        """Raises ValueError, in upstream's words, for the first value that cannot be."""
        given = {}
        for field in fields(cls):
            key = field.name.replace("_", "-")
            if key in data:
                given[field.name] = _read(key, _PARSERS[str(field.type)], data[key])
        made = cls(**given)
        if said := next((said for checks in _CHECKS for bad, said in checks(made) if bad), None):
            raise ValueError(said)
        return made

    @property
    def target_fraction(self) -> float:
        """Of container-concurrency-target-percentage; up to 1 it is a fraction already."""
        given = self.container_concurrency_target_percentage
        return given / 100 if given > 1 else given


def _read(key: str, parse: Callable[[str], Any], text: str) -> Any:
    try:
        return parse(text)
    except ValueError as error:
        raise ValueError(f'failed to parse data: failed to parse "{key}": {error}') from None


Checks = Iterator[tuple[bool, str]]


def _waits(c: Config) -> Checks:
    grace, delay, retention = c.scale_to_zero_grace_period, c.scale_down_delay, c.scale_to_zero_pod_retention_period
    yield grace <= 0, f"scale-to-zero-grace-period must be positive, was: {duration_text(grace)}"
    yield delay < 0, f"scale-down-delay cannot be negative, was: {duration_text(delay)}"
    said = f"scale-down-delay = {duration_text(delay)}, must be specified with at most second precision"
    yield delay != int(delay), said
    said = f"scale-to-zero-pod-retention-period cannot be negative, was: {duration_text(retention)}"
    yield retention < 0, said


def _targets(c: Config) -> Checks:
    burst, fraction = c.target_burst_capacity, c.target_fraction
    said = f"target-burst-capacity must be either non-negative or -1 (for unlimited), was: {burst:f}"
    yield burst < 0 and burst != -1, said
    said = f"container-concurrency-target-percentage = {fraction:f} is outside of valid range of (0, 100]"
    yield not 0 < fraction <= 1, said
    target = fraction * c.container_concurrency_target_default
    said = (
        "container-concurrency-target-percentage and container-concurrency-target-default yield target concurrency of"
    )
    yield target < TARGET_MIN, f"{said} {number_text(target)}, can't be less than {TARGET_MIN}"
    rps = c.requests_per_second_target_default
    said = f"requests-per-second-target-default must be at least {TARGET_MIN}, was: {number_text(rps)}"
    yield rps < TARGET_MIN, said
    yield c.activator_capacity < 1, f"activator-capacity = {number_text(c.activator_capacity)}, must be at least 1"


def _rates(c: Config) -> Checks:
    up, down = c.max_scale_up_rate, c.max_scale_down_rate
    yield up <= 1, f"max-scale-up-rate = {number_text(up)}, must be greater than 1.0"
    yield down <= 1, f"max-scale-down-rate = {number_text(down)}, must be greater than 1.0"


def _windows(c: Config) -> Checks:
    window, panic = c.stable_window, c.panic_window_percentage
    shown = f"stable-window = {duration_text(window)}, must be"
    yield not WINDOW_MIN <= window <= WINDOW_MAX, f"{shown} in [6s; 1h0m0s] range"
    yield window != int(window), f"{shown} specified with at most second precision"
    said = f"panic-window-percentage = {number_text(panic)}, must be in [1, 100] interval"
    yield not PANIC_WINDOW_MIN <= panic <= PANIC_WINDOW_MAX, said


def _scales(c: Config) -> Checks:
    said = "must be at least 0 (or at least 1 when allow-zero-initial-scale is false)"
    least = 0 if c.allow_zero_initial_scale else 1
    yield c.initial_scale < least, f"initial-scale = {c.initial_scale}, {said}"
    yield c.min_scale < 0, f"min-scale = {c.min_scale}, must be at least 0"
    limit = c.max_scale_limit
    least = 1 if limit > 0 else 0
    said = f"max-scale = {c.max_scale}, must be in [{least}, max-scale-limit({limit})] range"
    yield c.max_scale < least or 0 < limit < c.max_scale, said
    yield limit < 0, f"max-scale-limit = {limit}, must be at least 0"
    said = f"min-scale ({c.min_scale}) must be less than max-scale ({c.max_scale})"
    yield c.min_scale > c.max_scale > 0, said


_CHECKS: tuple[Callable[[Config], Checks], ...] = (_waits, _targets, _rates, _windows, _scales)
