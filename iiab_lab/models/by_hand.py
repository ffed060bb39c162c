"""What a learner trains: a decision tree of a chosen depth on the iris measurements → a file, and how good it is."""

from __future__ import annotations

from typing import Any

import joblib
from sklearn.tree import DecisionTreeClassifier

from ..assets import home
from . import iris


def train_tree(name: str, depth: int) -> dict[str, Any]:
    """→ a report: the accuracy on flowers it never saw, and the file, which KServe's sklearn server reads (joblib)."""
    estimator, report = iris.train(DecisionTreeClassifier(max_depth=depth, random_state=iris.SEED))
    file = home() / "trained" / f"{name}.joblib"
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    joblib.dump(estimator, file)
    return {
        "file": str(file),
        "depth": depth,
        **{k: report[k] for k in ("trained_on", "held_out", "held_out_accuracy")},
    }
