"""A Report claims only what was counted, in every form it takes."""

from __future__ import annotations

import json

import pytest
from rich.console import Console

from iiab_lab.errors import CheckFailed, NotRunning, UsageError
from iiab_lab.scenarios import SCENARIOS, find
from iiab_lab.scenarios.report import MIME, Report


def made(*passed: bool) -> Report:
    report = Report("demo", "embedded", 1.5)
    for index, holds in enumerate(passed):
        report.add(f"check <{index}>", index, index if holds else "other", holds, "because")
    return report


def test_nothing_checked_is_not_passed() -> None:
    assert not made().passed
    with pytest.raises(CheckFailed, match="nothing was checked"):
        made().require()


def test_one_failed_check_fails_it_and_is_named() -> None:
    assert made(True, True).require().passed
    with pytest.raises(CheckFailed, match="check <1>: expected 1, observed other") as error:
        made(True, False).require()
    assert "check <0>" not in str(error.value)


def test_what_an_observation_raises_is_what_was_observed() -> None:
    report = Report("demo", "embedded")

    def away() -> int:
        raise NotRunning("nobody is home", "iiab up")

    assert report.expect("there", 200, away) is None
    assert report.expect("sum", 4, lambda: 2 + 2) == 4
    assert [(c.observed, c.passed) for c in report.checks] == [("nobody is home", False), ("4", True)]


def test_json_has_the_documented_form() -> None:
    said = json.loads(json.dumps(made(True, False).to_json()))
    assert said.keys() == {"scenario", "engine", "passed", "seconds", "checks"}
    assert said["passed"] is False and said["seconds"] == 1.5
    assert all(check.keys() == {"name", "expected", "observed", "passed", "evidence"} for check in said["checks"])


def test_a_failed_check_reads_as_failed_in_a_notebook_and_in_a_terminal() -> None:
    report = made(True, False)
    shown = report._repr_mimebundle_()
    assert shown[MIME] == report.to_json()
    assert (
        "✗ failed" in shown["text/html"] and "check &lt;1&gt;" in shown["text/html"] and "1 of 2" in shown["text/html"]
    )
    console = Console(width=120, record=True, file=None)
    with console.capture() as captured:
        console.print(report.render())
    assert "✗" in captured.get() and "1 of 2" in captured.get()


def test_what_was_not_tried_is_told_by_its_reason_and_counts_as_nothing() -> None:
    report = made(True)
    report.left_out = {"pickles: a": "nothing is <shared>", "pickles: b": "nothing is <shared>", "pods: c": "no reason"}
    console = Console(width=120)
    with console.capture() as captured:
        console.print(report.render())
    for shown in (captured.get(), report._repr_mimebundle_()["text/html"].replace("&lt;", "<").replace("&gt;", ">")):
        told = " ".join(shown.split())
        assert "1 of 1" in told and "nothing is <shared>: pickles: a, pickles: b" in told and "pods: c" in told
    assert report.passed


def test_every_scenario_can_be_found_and_run_and_an_unknown_one_lists_them() -> None:
    assert all(callable(find(name).run) for name in SCENARIOS)
    with pytest.raises(UsageError) as error:
        find("no-such")
    assert "first-prediction" in error.value.cure
