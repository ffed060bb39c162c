"""A load and other settings → the replicas that would have been, as a frame on the load's own time."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pandas
import pytest

from iiab_lab import what_if
from iiab_lab.errors import UsageError

QUICK = {"window": "6s", "target": "2"}


def test_the_frame_stands_on_the_loads_own_time() -> None:
    index = pandas.date_range("2026-01-01", periods=40, freq="s", tz="UTC", name="time")
    load = pandas.DataFrame({"due": [100.0] * 40, "ended": 0}, index=index)
    made = what_if(load, QUICK, container_concurrency=2, seconds_per_request=0.05)
    assert made.index.equals(index)
    assert list(made.columns) == [
        "arrivals",
        "in_flight",
        "waiting",
        "ready",
        "replicas",
        "desired",
        "stable",
        "panic",
        "panicking",
        "activator",
    ]
    assert made["replicas"].iloc[-1] == 4 and made["arrivals"].sum() == 4000


def test_other_settings_mean_other_pods() -> None:
    load = [100.0] * 60
    ends = [what_if(load, {**QUICK, "target": target})["replicas"].iloc[-1] for target in ("1", "5")]
    assert ends == [8, 2]
    assert what_if(load, {"autoscaling.knative.dev/min-scale": "9"})["replicas"].min() == 9


def test_the_platforms_own_configmap_is_the_default() -> None:
    """Its target-burst-capacity of 0 keeps the activator out of the path; upstream's 211 would not."""
    load = [20.0] * 20
    assert not what_if(load, replicas=1)["activator"].iloc[-1]
    assert what_if(load, replicas=1, config={})["activator"].iloc[-1]


@pytest.mark.parametrize(
    ("load", "more", "said"),
    [
        ([1.0], {"annotations": {"window": "1s"}}, "expected 6s <= 1s <= 1h0m0s: autoscaling.knative.dev/window"),
        ([1.0], {"annotations": {"windows": "6s"}}, "no annotation of the autoscaler: autoscaling.knative.dev/windows"),
        ([1.0], {"config": {"stable-window": "1s"}}, "config-autoscaler: stable-window = 1s"),
        ([1.0], {"seconds_per_request": 0}, "seconds_per_request > 0"),
        ([-1.0], {}, "negative"),
        ([float("nan")], {}, "load.fillna"),
        (["a"], {}, "no series of numbers"),
        (pandas.DataFrame({"rps": [1.0]}), {}, "name it `arrivals`"),
    ],
)
def test_what_makes_no_sense_is_told_with_its_cure(load: Any, more: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError) as told:
        what_if(load, **more)
    assert said in str(told.value) and "→" in str(told.value)


def test_an_empty_load_has_no_seconds() -> None:
    assert what_if([]).empty


def test_to_import_it_loads_no_engine() -> None:
    code = "import sys, iiab_lab.what_if; sys.exit(any(name.startswith('iiab_lab.engines') for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
