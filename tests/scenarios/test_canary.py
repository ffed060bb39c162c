"""The canary scenario's checks on releases that are made up: each fails where what it claims is not so."""

from __future__ import annotations

from pathlib import Path

import pandas
import pytest

from iiab_lab.rollout.decide import Promote, RollBack
from iiab_lab.rollout.driver import PAUSED, PROMOTED, ROLLED_BACK, Rollout
from iiab_lab.rollout.record import Record
from iiab_lab.rollout.steps import STEPS
from iiab_lab.scenarios.canary import Release, _promoted, _taken_back
from iiab_lab.scenarios.report import Report
from iiab_lab.target import Target

BEGAN, OLD, NEW = 1_800_000_000.0, "iris-predictor-00001", "iris-predictor-00002"
TARGET = Target("embedded", Path("/none"), "", "", "")


def made(outcome: str) -> Release:
    """100 requests a second: two seconds at 0 %, ten at 10 %, and two at what it ends with; every tenth is the candidate's."""
    done = Rollout(TARGET, "iris", "pvc://models/iris/v2", STEPS[:1], outcome=outcome, baseline=OLD, revision=NEW)
    done.began, done.ended, done.weights = BEGAN, BEGAN + 12, [{NEW: 10, OLD: 90}]
    decision = (Promote if outcome == PROMOTED else RollBack)("because")
    done.records = [Record(BEGAN + 2 + s, 1, STEPS[0], s, 10 * s, (), decision) for s in (0.5, 10.0)]
    after = NEW if outcome == PROMOTED else OLD
    rows = []
    for index in range(1400):
        second = index / 100
        revision = OLD if second < 2 else after if second >= 12 else (NEW if index % 10 == 0 else OLD)
        rows.append((BEGAN + second, 200, revision))
    frame = pandas.DataFrame(rows, columns=["time", "status", "revision"])
    return Release(done, frame.assign(time=pandas.to_datetime(frame["time"], unit="s", utc=True)))


def failed(release: Release) -> list[str]:
    report = Report("canary", "embedded")
    (_promoted if release.rollout.outcome == PROMOTED else _taken_back)(report, release)
    return [check.name for check in report.checks if not check.passed]


@pytest.mark.parametrize("outcome", [PROMOTED, ROLLED_BACK])
def test_a_release_as_it_should_be_passes(outcome: str) -> None:
    assert failed(made(outcome)) == []


def test_a_lost_request_is_found() -> None:
    release = made(PROMOTED)
    release.requests.loc[700, ["status", "revision"]] = [0, ""]
    assert failed(release) == ["v2: requests lost meanwhile"]


def test_a_failure_of_the_old_version_is_found_and_one_of_the_bad_is_its_own() -> None:
    release = made(ROLLED_BACK)
    release.requests.loc[500, "status"] = 500  # the candidate's
    assert failed(release) == []
    release.requests.loc[501, "status"] = 503
    assert failed(release) == ["v2: requests that failed by another"]


def test_weights_and_shares_that_are_not_what_was_asked_are_found() -> None:
    release = made(ROLLED_BACK)
    release.rollout.weights[0][NEW] = 20
    assert failed(release) == ["v2, step 1: weights of the routes"]
    release = made(ROLLED_BACK)
    release.requests.loc[200:1199:2, "revision"] = NEW
    assert failed(release) == ["v2, step 1: the candidate's share", "v2: requests that met it"]


def test_who_still_answers_afterwards_is_found() -> None:
    for outcome, wrong in ((PROMOTED, OLD), (ROLLED_BACK, NEW)):
        release = made(outcome)
        release.requests.loc[1399, "revision"] = wrong
        assert failed(release) == ["v2: who answers afterwards"]


def test_a_release_that_never_had_a_share_fails_in_words() -> None:
    release = made(ROLLED_BACK)
    release.rollout.records, release.rollout.weights = [], []
    release.rollout.outcome = PAUSED
    assert failed(release) == ["v1 → v3 ends by itself", "v2: requests that met it"]
