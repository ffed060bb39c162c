"""Fisher's iris measurements, bundled with scikit-learn → a classifier and its accuracy on flowers it never saw."""

from __future__ import annotations

from typing import Any

from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

SEED = 7


def train(classifier: Any = None) -> tuple[Any, dict[str, Any]]:
    """→ (estimator, report). A third of the 150 flowers is held out, as many of each of the three species.

    `classifier` is any of scikit-learn's, by default a logistic regression.
    """
    data = load_iris()
    seen, held_out, species, truth = train_test_split(
        data.data, data.target, test_size=1 / 3, stratify=data.target, random_state=SEED
    )
    chosen = LogisticRegression(max_iter=500) if classifier is None else classifier
    estimator = make_pipeline(StandardScaler(), chosen).fit(seen, species)
    return estimator, {
        "model": "sklearn-iris",
        "classes": [str(name) for name in data.target_names],
        "features": list(data.feature_names),
        "trained_on": len(seen),
        "held_out": len(held_out),
        "held_out_accuracy": round(float(estimator.score(held_out, truth)), 4),
    }
