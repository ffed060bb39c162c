"""A journal played again: the same settings decide the same, other settings decide as they would have."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from iiab_lab.engines.embedded.rules.autoscaling.autoscaler import ACTIVATOR, Autoscaler
from iiab_lab.engines.embedded.rules.autoscaling.metrics import Stat
from iiab_lab.engines.embedded.rules.autoscaling.replay import replayed
from iiab_lab.engines.embedded.rules.autoscaling.settings import Settings

NOW = 1_700_000_000.125
SETTINGS = Settings(target=10, stable_window=6, panic_window=1)


def recorded(loads: list[float], revision: str = "lab/a", pods: int = 2) -> Iterator[dict[str, Any]]:
    """What an autoscaler that runs would have written, one second of load after the other."""
    scaler = Autoscaler(SETTINGS, pods, NOW)
    yield {"is": "began", "revision": revision, "at": NOW, "ready": pods, "settings": asdict(SETTINGS)}
    for second, load in enumerate(loads, 1):
        at = NOW + second * 1.01
        stats = [Stat(ACTIVATOR, load / 10), *(Stat(f"pod-{n}", load / pods, load / 10 / pods) for n in range(pods))]
        yield {"is": "heard", "revision": revision, "at": at, "pods": pods, "stats": [asdict(stat) for stat in stats]}
        scaler.hear(at, stats, pods)
        if made := scaler.tick(at, pods, True):
            decided = {"ready": pods, "reachable": True, "decision": asdict(made)}
            yield {"is": "ticked", "revision": revision, "at": at, **decided}


@given(st.lists(st.floats(0, 1000), min_size=4, max_size=40))
def test_the_same_settings_decide_the_same_tick_by_tick(loads: list[float]) -> None:
    lines = [json.loads(json.dumps(entry)) for entry in recorded(loads)]
    ticks = list(replayed(lines))
    assert len(ticks) == sum(entry["is"] == "ticked" for entry in lines) > 0
    assert [tick.decided for tick in ticks] == [tick.recorded for tick in ticks]


def test_other_settings_decide_otherwise_on_the_same_load() -> None:
    lines = list(recorded([40.0] * 10))
    halved = list(replayed(lines, replace(SETTINGS, target=5)))
    assert (halved[-1].recorded.desired, halved[-1].decided.desired) == (4, 8)


def test_revisions_are_told_apart_and_a_torn_beginning_is_passed_over() -> None:
    one, other = list(recorded([40.0] * 4)), list(recorded([90.0] * 4, "lab/b"))
    mixed = [entry for pair in zip(one, other, strict=True) for entry in pair][1:]
    last = {tick.revision: tick.decided.desired for tick in replayed(mixed)}
    assert last == {"lab/b": 9}
    assert {tick.revision for tick in replayed(one + other)} == {"lab/a", "lab/b"}
