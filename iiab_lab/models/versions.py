"""Three versions of the iris model that differ in truth: v1 is good, v2 better, and v3 should never have been released.

All are made of scikit-learn alone, so any server that reads its files serves them.
"""

from __future__ import annotations

from typing import Any

from sklearn.compose import make_column_transformer
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import BaggingClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from . import iris

_SEPAL = [0, 1]  # length and width: what tells the species apart is in the petals
_NEIGHBOURHOODS = 30  # each is searched for each flower


def v1() -> tuple[Any, dict[str, Any]]:
    """A logistic regression: what the platform serves as `sklearn-iris`."""
    return iris.train()


def v2() -> tuple[Any, dict[str, Any]]:
    """Linear discriminant analysis: as fast as v1, and right more often."""
    return iris.train(LinearDiscriminantAnalysis())


def v3() -> tuple[Any, dict[str, Any]]:
    """Made in haste: it takes lengths for categories, so it raises ValueError for a length that it never saw, guesses from
    the wrong ones, and asks thirty searches about each flower."""
    categories = make_column_transformer((OneHotEncoder(handle_unknown="error"), _SEPAL))
    crowd = BaggingClassifier(KNeighborsClassifier(), n_estimators=_NEIGHBOURHOODS, random_state=iris.SEED)
    return iris.fit(make_pipeline(categories, crowd))


VERSIONS = {"v1": v1, "v2": v2, "v3": v3}
