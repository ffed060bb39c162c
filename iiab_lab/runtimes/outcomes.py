"""What a model said and what turned out to be true → counters on /metrics: `model_predictions_total`, `model_feedback_total`.

The truth about a prediction comes later, from whoever asked: `POST /v1/models/NAME/feedback` with
`{"feedback": [{"answered_by": REVISION, "predicted": 1, "label": 2}, …]}`. It reaches any Pod, of any version, so it names
the revision that answered (the response header Knative-Serving-Revision). Both counters are sums over Pods.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import FastAPI, HTTPException
from kserve import ModelServer
from prometheus_client import Counter
from pydantic import BaseModel, ConfigDict, Field

PREDICTIONS = Counter("model_predictions_total", "Rows that were predicted, by class", ["model_name", "class"])
FEEDBACK = Counter(
    "model_feedback_total",
    "Predictions of which the truth is known, by the revision that made them",
    ["model_name", "answered_by", "outcome"],
)
_CLASSES, _REVISIONS = 100, 100  # a series each, and a client must not make as many as it likes
_NAME = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"
_OTHER = "other"


class Outcome(BaseModel):
    """One prediction and the truth about it. 1 and 1.0 are the same class."""

    model_config = ConfigDict(extra="forbid")
    answered_by: str = Field(pattern=_NAME)
    predicted: float | str
    label: float | str


class Feedback(BaseModel):
    model_config = ConfigDict(extra="forbid")
    feedback: Annotated[list[Outcome], Field(min_length=1, max_length=10_000)]


def predicted(model: str, classes: Sequence[Any] | None, result: Any) -> None:
    """Counts a classifier's answer; of a model without classes, or with too many, nothing."""
    if classes is None or len(classes) > _CLASSES:
        return
    for answer in result:
        PREDICTIONS.labels(model, str(answer)).inc()


def serve_feedback(server: ModelServer, app: FastAPI) -> None:
    """Adds the route. 404 for a model that is not served here, 422 for a body that is no feedback."""
    known: set[str] = set()

    @app.post("/v1/models/{model_name}/feedback")
    async def feedback(model_name: str, body: Feedback) -> dict[str, int]:
        if server.registered_models.get_model(model_name) is None:
            raise HTTPException(404, f"Model with name {model_name} does not exist.")
        for item in body.feedback:
            if len(known) < _REVISIONS:
                known.add(item.answered_by)
            name = item.answered_by if item.answered_by in known else _OTHER
            FEEDBACK.labels(model_name, name, "right" if item.predicted == item.label else "wrong").inc()
        return {"counted": len(body.feedback)}
