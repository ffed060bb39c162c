"""Chemical measurements of wines, bundled with scikit-learn → a classifier of the three cultivars, and its accuracy on bottles it
never saw."""

from __future__ import annotations

from typing import Any

from sklearn.datasets import load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from .iris import SEED


def train() -> tuple[Any, dict[str, Any]]:
    """→ (estimator, report). Rows are thirteen measurements, labels 0, 1, 2; a third of the 178 bottles is held out."""
    data = load_wine()
    seen, held_out, known, truth = train_test_split(
        data.data, data.target, test_size=1 / 3, stratify=data.target, random_state=SEED
    )
    pipeline = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500)).fit(seen, known)
    return pipeline, {
        "model": "sklearn-wine",
        "classes": [str(name) for name in data.target_names],
        "features": list(data.feature_names),
        "trained_on": len(seen),
        "held_out": len(held_out),
        "held_out_accuracy": round(float(pipeline.score(held_out, truth)), 4),
    }
