"""What a load's answers were → the feedback on them, when its time has come."""

from __future__ import annotations

import time
from typing import Any

import pandas

from iiab_lab.errors import TrafficError
from iiab_lab.traffic import feedback
from iiab_lab.traffic.client import Answer
from iiab_lab.traffic.feedback import Feedback, outcomes

FRAME = pandas.DataFrame(
    [
        (0.0, 10.0, 200, "r1", 0, '{"predictions":[0]}'),
        (1.0, 10.0, 200, "r2", 1, '{"predictions":[2]}'),
        (1.1, 10.0, 500, "r2", 1, ""),
        (1.2, 900.0, 200, "r1", 1, '{"predictions":[1]}'),
        (5.0, 10.0, 200, "r1", 0, '{"predictions":[0]}'),
    ],
    columns=["due", "latency_ms", "status", "revision", "asked", "answer"],
)
FIRST = {"answered_by": "r1", "predicted": 0, "label": 0}
SECOND = {"answered_by": "r2", "predicted": 2, "label": 1}
LATE = {"answered_by": "r1", "predicted": 1, "label": 1}


def test_each_answer_is_told_once_by_when_it_came_and_failures_never() -> None:
    assert outcomes(FRAME, [0, 1], 0, 2) == [FIRST, SECOND]
    assert outcomes(FRAME, [0, 1], 2, 3) == [LATE]
    assert outcomes(FRAME, [0, 1], 3, 4) == []


class Run:
    def __init__(self) -> None:
        self.seconds = 4.0

    def now(self) -> Any:
        return self

    def frame(self) -> pandas.DataFrame:
        return FRAME


class Client:
    """Away the first time."""

    def __init__(self) -> None:
        self.told: list[list[dict[str, Any]]] = []

    def feedback(self, model: str, known: list[dict[str, Any]]) -> Answer:
        self.told.append(known)
        if len(self.told) == 1:
            raise TrafficError("away")
        return Answer(200, {}, {}, 0.0)


def test_what_could_not_be_sent_is_sent_again(monkeypatch: Any) -> None:
    monkeypatch.setattr(feedback, "_EVERY", 0.01)
    client = Client()
    with Feedback(client, "iris", Run(), [0, 1], delay=2.0) as sent:  # type: ignore[arg-type]
        deadline = time.monotonic() + 30
        while sent.sent < 2:
            assert time.monotonic() < deadline
            time.sleep(0.01)
    assert client.told == [[FIRST, SECOND], [FIRST, SECOND]]
