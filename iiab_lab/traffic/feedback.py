"""Predictions under way and the truth about their rows → feedback to the model, some seconds after each answer."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Sequence
from typing import Any

from ..errors import TrafficError
from .client import InferenceClient
from .load.handle import Load

_EVERY = 0.5


class Feedback:
    """`with Feedback(client, "iris", run, truth): …` tells the model, `delay` seconds after each answer of the load `run`,
    whether it was right. The load is of Call.each, and `truth` has the label of each of its rows.

    `sent` counts. What could not be sent is sent with the next, so a model that is away gets it when it is back.
    """

    def __init__(
        self, client: InferenceClient, model: str, run: Load, truth: Sequence[Any], delay: float = 2.0
    ) -> None:
        self._client, self._model, self._run, self._truth, self._delay = client, model, run, truth, delay
        self._until, self._stopped, self.sent = 0.0, threading.Event(), 0
        self._thread = threading.Thread(target=self._follow, daemon=True, name=f"feedback {model}")

    def __enter__(self) -> Feedback:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()

    def _follow(self) -> None:
        while not self._stopped.wait(_EVERY):
            until = self._run.now().seconds - self._delay
            known = outcomes(self._run.frame(), self._truth, self._until, until)
            if known and not self._send(known):
                continue
            self._until, self.sent = until, self.sent + len(known)

    def _send(self, known: list[dict[str, Any]]) -> bool:
        with contextlib.suppress(TrafficError):
            return self._client.feedback(self._model, known).status == 200
        return False


def outcomes(frame: Any, truth: Sequence[Any], since: float, until: float) -> list[dict[str, Any]]:
    """What came back between two seconds of the run → the feedback on it. Failed requests predicted nothing."""
    ended = frame["due"] + frame["latency_ms"] / 1e3
    rows = frame[(ended > since) & (ended <= until) & (frame["status"] == 200) & (frame["revision"] != "")]
    return [
        {"answered_by": revision, "predicted": json.loads(answer)["predictions"][0], "label": truth[asked]}
        for revision, answer, asked in zip(rows["revision"], rows["answer"], rows["asked"], strict=True)
    ]
