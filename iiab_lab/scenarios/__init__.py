"""The scenarios by name. Each module has `run(target, …) -> Report` and works from a Target alone, on any engine."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import NamedTuple

from ..errors import UsageError
from .report import Check, Report

__all__ = ["SCENARIOS", "Check", "Report", "Scenario", "find"]


class Scenario(NamedTuple):
    module: str
    minutes: int
    shows: str

    @property
    def run(self) -> Callable[..., Report]:
        found: Callable[..., Report] = import_module(f".{self.module}", __package__).run
        return found


SCENARIOS = {
    "first-prediction": Scenario(
        "first_prediction",
        1,
        "a token, a prediction through both tiers, what is refused and by whom, and Prometheus's count of it",
    ),
    "publishing": Scenario(
        "publishing",
        1,
        "a public name, keys and tokens, limits that hold and are raised live, a key rotated under load",
    ),
    "security": Scenario(
        "security",
        1,
        "every attack of a catalogue of 370: forged tokens, spoofed headers, smuggled requests, other tenants, a hostile model",
    ),
    "tenancy": Scenario(
        "tenancy",
        2,
        "every tenant tries everything of every other, a hundred creates meet a quota of ten, and a neighbour floods the gateway",
    ),
    "autoscaling": Scenario(
        "autoscaling",
        2,
        "a model from zero to five Pods and back: one request, a hundred at once, a ramp, a burst into panic, and nothing",
    ),
    "canary": Scenario(
        "canary",
        1,
        "a better model takes over in steps and a bad one goes, each by itself, under 100 requests a second",
    ),
}


def find(name: str) -> Scenario:
    """Raises UsageError that lists what there is."""
    if name not in SCENARIOS:
        raise UsageError(f"There is no scenario {name!r}.", f"choose one of: {', '.join(SCENARIOS)}")
    return SCENARIOS[name]
