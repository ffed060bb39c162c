"""The sample model is trained on real data, honestly measured, and the same every time."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import joblib
import numpy
from sklearn.datasets import load_iris

from iiab_lab.models import iris


def test_it_is_measured_on_flowers_it_never_saw() -> None:
    estimator, report = iris.train()
    assert report["trained_on"] + report["held_out"] == len(load_iris().data) == 150
    assert report["held_out_accuracy"] >= 0.9
    assert estimator.n_features_in_ == 4 and report["classes"] == ["setosa", "versicolor", "virginica"]


def test_training_again_gives_the_same_model() -> None:
    (one, first), (other, second) = iris.train(), iris.train()
    assert first == second
    assert numpy.array_equal(one.predict_proba(load_iris().data), other.predict_proba(load_iris().data))


def test_the_command_writes_a_model_whole(tmp_path: Path) -> None:
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-m", "iiab_lab.models", "sklearn-iris", f"--output={tmp_path / 'm'}"],
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
    assert sorted(file.name for file in tmp_path.iterdir()) == ["m"]
    report = json.loads((tmp_path / "m" / "report.json").read_text())
    assert json.loads(done.stdout) == report
    assert joblib.load(tmp_path / "m" / "model.joblib").predict([[5.1, 3.5, 1.4, 0.2]])[0] == 0
