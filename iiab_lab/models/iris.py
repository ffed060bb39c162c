"""Fisher's iris measurements, bundled with scikit-learn → a classifier and its accuracy on flowers it never saw."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

SEED = 7


class Split(NamedTuple):
    """Two thirds of the 150 flowers to learn from, a third held out; as many of each of the three species in both.

    Rows are four lengths in cm: (100, 4) and (50, 4). Labels are 0, 1, 2.
    """

    seen: Any
    species: Any
    held_out: Any
    truth: Any


def split(seed: int = SEED) -> Split:
    data = load_iris()
    seen, held_out, species, truth = train_test_split(
        data.data, data.target, test_size=1 / 3, stratify=data.target, random_state=seed
    )
    return Split(seen, species, held_out, truth)


def train(classifier: Any = None) -> tuple[Any, dict[str, Any]]:
    """→ (estimator, report). `classifier` is any of scikit-learn's, by default a logistic regression."""
    chosen = LogisticRegression(max_iter=500) if classifier is None else classifier
    return fit(make_pipeline(StandardScaler(), chosen))


def fit(pipeline: Pipeline) -> tuple[Any, dict[str, Any]]:
    """→ (estimator, report). A flower that a step before the last raises ValueError for counts as one it got wrong."""
    data, parts = load_iris(), split()
    pipeline.fit(parts.seen, parts.species)
    taken = numpy.array([_takes(pipeline[:-1], row) for row in parts.held_out])
    right = (pipeline.predict(parts.held_out[taken]) == parts.truth[taken]).sum()
    return pipeline, {
        "model": "sklearn-iris",
        "classes": [str(name) for name in data.target_names],
        "features": list(data.feature_names),
        "trained_on": len(parts.seen),
        "held_out": len(taken),
        "held_out_failed": int((~taken).sum()),
        "held_out_accuracy": round(float(right / len(taken)), 4),
    }


def _takes(steps: Pipeline, row: Any) -> bool:
    try:
        steps.transform([row])
    except ValueError:
        return False
    return True
