"""The second sample model: another shape of rows than the first, measured on bottles it never saw."""

from __future__ import annotations

from iiab_lab.models import wine


def test_it_is_measured_on_bottles_it_never_saw_and_the_same_every_time() -> None:
    (estimator, report), (_, again) = wine.train(), wine.train()
    assert report == again and report["trained_on"] + report["held_out"] == 178
    assert report["held_out_accuracy"] >= 0.9 and len(report["classes"]) == 3
    assert estimator.n_features_in_ == len(report["features"]) == 13
