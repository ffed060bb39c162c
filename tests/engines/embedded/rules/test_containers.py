"""What a container may use and how it ended: its memory limit, the class of its Pod, what its status says."""

from __future__ import annotations

from typing import Any

import pytest

from iiab_lab.engines.embedded.objects.sandbox import State
from iiab_lab.engines.embedded.rules import containers


def held(limits: Any = None, requests: Any = None) -> dict[str, Any]:
    given = {"limits": limits, "requests": requests}
    return {"name": "main", "resources": {name: value for name, value in given.items() if value is not None}}


@pytest.mark.parametrize(
    ("limits", "size"), [(None, 0), ({"cpu": "1"}, 0), ({"memory": "1Gi"}, 1 << 30), ({"memory": 5}, 5)]
)
def test_the_memory_limit(limits: Any, size: int) -> None:
    assert containers.memory_limit(held(limits)) == size
    assert containers.memory_limit({"name": "main"}) == 0


WHOLE = {"cpu": "1", "memory": "1Gi"}


@pytest.mark.parametrize(
    ("listed", "name"),
    [
        ([{"name": "main"}], "BestEffort"),
        ([held({"example.com/gpu": 1})], "BestEffort"),
        ([held({"cpu": "0"})], "BestEffort"),
        ([held(None, {"cpu": "1"})], "Burstable"),
        ([held({"memory": "1Gi"})], "Burstable"),
        ([held(WHOLE)], "Guaranteed"),
        ([held(WHOLE, {"cpu": "1000m", "memory": "1024Mi"})], "Guaranteed"),
        ([held(WHOLE, {"cpu": "500m"})], "Burstable"),
        ([held(WHOLE), {"name": "other"}], "Burstable"),
    ],
)
def test_the_class_of_a_pod(listed: list[dict[str, Any]], name: str) -> None:
    assert containers.qos_class(listed) == name


@pytest.mark.parametrize(
    ("state", "said"),
    [
        (State(0, 1, 0.0, 0), {"exitCode": 0, "reason": "Completed"}),
        (State(0, 1, 0.0, 137, 9), {"exitCode": 137, "reason": "Error", "signal": 9}),
        (State(0, 1, 0.0, 137, 9, reason="OOMKilled"), {"exitCode": 137, "reason": "OOMKilled"}),
    ],
)
def test_how_it_ended(state: State, said: dict[str, Any]) -> None:
    ended = containers.terminated(state)["terminated"]
    assert {name: ended[name] for name in ended if not name.endswith("At")} == said
