"""What is known → what is done, case by case."""

from __future__ import annotations

import pytest

from iiab_lab.errors import UsageError
from iiab_lab.rollout.criteria import CRITERIA
from iiab_lab.rollout.decide import Hold, Pause, Promote, RollBack, decide
from iiab_lab.rollout.evidence import Evidence
from iiab_lab.rollout.steps import STEPS, Step, check, exposed_requests, exposed_share, exposed_users

from .known import finding, look

STEP = Step(10, 50, ("errors", "accuracy"), seconds=20)
GOOD = [finding(one.name) for one in CRITERIA]
FINE = {one.criterion.name: one for one in GOOD}


@pytest.mark.parametrize(
    ("findings", "requests", "seconds", "decision", "why"),
    [
        (GOOD, 50, 3, Promote, "errors: 0 of 100 (0.0%) failed"),
        (GOOD, 50, 300, Promote, "errors"),
        (GOOD, 49, 3, Hold, "answered 49 of 50 requests"),
        (GOOD, 49, 20, Pause, "not shown within 20 s: the candidate answered 49 of 50"),
        ([], 50, 3, Hold, "errors: nothing was counted (is there any traffic?)"),
        ([FINE["errors"]], 50, 3, Hold, "accuracy: nothing was counted (tell the model the truth"),
        ([FINE["errors"], finding("accuracy", total=0)], 50, 20, Pause, "accuracy: nothing was counted"),
        ([FINE["errors"], finding("accuracy", worst=0.05)], 50, 3, Hold, "at most 5.0 points worse, and 5 are allowed"),
        ([FINE["errors"], finding("accuracy", worst=0.0499)], 50, 3, Promote, "accuracy"),
        ([*GOOD[:-1], finding("drift", worst=0.9)], 50, 3, Promote, "errors"),  # which this step does not ask for
        ([finding("errors", statistic=400)], 0, 0, RollBack, "e-value 400 of 400"),
        ([*GOOD, finding("errors", statistic=399)], 50, 3, Promote, ""),
        ([*GOOD[:-1], finding("latency", statistic=1e6)], 50, 300, RollBack, "latency"),
        ([*GOOD[:-1], finding("drift", statistic=0.25)], 50, 3, RollBack, "at least 25% apart"),
    ],
)
def test_what_is_decided_and_why(findings, requests: int, seconds: float, decision: type, why: str) -> None:
    found = decide(STEP, findings, requests, seconds)
    assert type(found) is decision and why in found.why, found


def test_each_decision_has_a_name() -> None:
    assert [str(one("")) for one in (Promote, Hold, Pause, RollBack)] == ["promote", "hold", "pause", "roll back"]


def test_a_good_candidate_goes_through_all_steps_and_a_bad_one_falls_at_the_first() -> None:
    for failed, ends in ((0, ["promote", "promote"]), (20, ["roll back"])):
        evidence, seen = Evidence(len(STEPS)), []
        for step in STEPS:
            evidence.next_step()
            for number in range(1, 100):
                decision = decide(step, evidence.look(look(failed=failed)), 50 * number, number)
                if not isinstance(decision, Hold):
                    break
            seen.append(str(decision))
            if seen[-1] != "promote":
                break
        assert seen == ends


def test_harm_adds_up_over_the_steps_and_proof_starts_anew() -> None:
    evidence = Evidence(2)
    for _ in range(20):
        (errors, *_) = evidence.look(look())
    assert errors.proven
    evidence.next_step()
    (errors, *_) = evidence.look(look(total=10))
    assert not errors.proven and errors.pair.candidate.total == 10
    evidence.look(look(failed=2))
    evidence.next_step()
    (errors, *_) = evidence.look(look(failed=2))
    assert errors.statistic > Evidence(2).look(look(failed=2))[0].statistic


def test_the_false_alarm_is_shared_among_the_criteria() -> None:
    assert [one.bound for one in Evidence(2).look(look())] == [400, 400, 400, 0.25]


def test_evidence_against_is_1_where_it_rolls_back() -> None:
    for value, against in ((400.0, 1.0), (1.0, 0.0), (0.01, 0.0), (20.0, 0.5)):
        assert finding("errors", statistic=value).against == pytest.approx(against)
    assert finding("drift", statistic=0.125).against == 0.5


@pytest.mark.parametrize("wrong", [{"percent": 0}, {"percent": 100}, {"requests": 0}, {"seconds": 0}])
def test_a_step_that_cannot_be_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(UsageError, match="1 to 99"):
        Step(**{"percent": 10, "requests": 1, "proves": ()} | wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("shares", [(), (10, 10), (50, 10)])
def test_steps_have_to_grow(shares: tuple[int, ...]) -> None:
    with pytest.raises(UsageError, match="do not grow"):
        check([Step(percent, 1, ()) for percent in shares])
    check(STEPS)


def test_what_steps_expose_is_arithmetic() -> None:
    assert exposed_requests(STEPS, 100) == [600, 3600]
    assert exposed_share(STEPS, [2]) == pytest.approx(0.10)
    assert exposed_share(STEPS, [30, 10]) == pytest.approx(0.20)
    assert exposed_share(STEPS, []) == 0
    assert exposed_users(10, 1) == pytest.approx(0.1) and exposed_users(10, 10) == pytest.approx(0.651, abs=1e-3)
