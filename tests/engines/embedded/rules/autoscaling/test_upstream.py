"""What Knative's own code answers to drawn inputs, tick by tick: ours answers the same.

`upstream.json` holds inputs and the answers of knative/serving 1.23: pkg/autoscaler/aggregation compiled as it is, and
`autoscaler.Scale` without its logging.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from iiab_lab.engines.embedded.rules.autoscaling.decider import Decider
from iiab_lab.engines.embedded.rules.autoscaling.settings import Settings
from iiab_lab.engines.embedded.rules.autoscaling.windows import buckets

RECORDED = json.loads((Path(__file__).parent / "upstream.json").read_text())


@pytest.mark.parametrize("run", RECORDED["windows"])
def test_windows_average_as_upstreams(run: dict[str, Any]) -> None:
    window, averages, empty = buckets(float(run["window"]), run["algorithm"]), [], []
    for what, now, *value in run["steps"]:
        if what == "record":
            window.record(now, *value)
        elif what == "resize":
            window.resize(now, *value)
        else:
            averages.append(window.average(now))
            empty.append(window.is_empty(now))
    assert empty == run["empty"]
    assert averages == pytest.approx(run["averages"], rel=1e-12)


@pytest.mark.parametrize("run", RECORDED["deciders"])
def test_the_decider_decides_as_upstreams(run: dict[str, Any]) -> None:
    decider, decisions = Decider(Settings(**run["settings"]), run["ready"], run["ticks"][0][0]), []
    for now, ready, stable, panic, reachable in run["ticks"]:
        made = decider.scale(now, ready, stable, panic, bool(reachable))
        decisions.append([made.desired, made.excess_burst_capacity, int(made.panicking)])
    assert decisions == run["decisions"]
