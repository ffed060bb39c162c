"""Probe results over time → started, ready, alive. The kubelet's thresholds, with one difference: a container that has
not passed yet is probed many times a second, because a lab waits for it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

Object = dict[str, Any]

_EAGER = 0.015


@dataclass(frozen=True)
class Track:
    """Of one probe of one attempt. `ok` is what the probe says at present, by its thresholds; None until it says."""

    due: float
    ok: bool | None = None
    successes: int = 0
    failures: int = 0
    message: str = ""


def begin(probe: Object, now: float) -> Track:
    return Track(now + probe.get("initialDelaySeconds", 0))


def observe(track: Track, probe: Object, why: str, now: float) -> Track:
    """`why` is "" where the probe passed."""
    period = probe.get("periodSeconds", 10)
    if not why:
        successes = track.successes + 1
        ok = True if successes >= probe.get("successThreshold", 1) else track.ok
        return Track(now + (period if ok else _EAGER), ok, successes, 0)
    failures = track.failures + 1
    failed = failures >= probe.get("failureThreshold", 3)
    if track.ok is None:  # never passed: eager, and its failures do not count against a program that still starts
        return replace(track, due=now + _EAGER, failures=failures, successes=0, message=why)
    return Track(now + period, False if failed else track.ok, 0, failures, why)
