"""A shadow against the live version, and A against B."""

from __future__ import annotations

import pandas
import pytest

from iiab_lab.errors import UsageError
from iiab_lab.rollout.ab import ab
from iiab_lab.rollout.shadow import agreement


def answers(*rows: tuple[int, str, int, float]) -> pandas.DataFrame:
    return pandas.DataFrame(rows, columns=["asked", "answer", "status", "latency_ms"])


LIVE = answers(
    (0, "a", 200, 1), (0, "a", 200, 3), (1, "b", 200, 2), (2, "c", 200, 2), (3, "", 500, 9), (4, "a", 200, 1)
)
SHADOW = answers(
    (0, "a", 200, 10), (1, "c", 200, 20), (1, "c", 200, 20), (1, "b", 200, 20), (2, "", 500, 30), (3, "", 0, 9)
)


def test_answers_are_compared_by_input() -> None:
    frame = agreement(LIVE, SHADOW)
    assert list(frame.index) == [0, 1, 2, 3]  # the shadow was never asked 4
    assert frame["agree"].tolist() == [True, False, False, False]  # two failures are no agreement
    assert frame["live"].tolist() == ["a", "b", "c", ""] and frame["shadow"].tolist() == ["a", "c", "", ""]
    assert frame["live_ms"].tolist() == [2, 2, 2, 9] and frame["shadow_ms"].tolist() == [10, 20, 30, 9]
    assert frame["shadow_failed"].tolist() == [0, 0, 1, 1] and frame["shadow_requests"].tolist() == [1, 3, 1, 1]


def test_an_effect_has_an_interval_and_an_exact_p_value() -> None:
    found = ab((56, 70), (48, 80))  # Newcombe (1998), table II, example (a): 0.0524 to 0.3339
    assert -found.effect == pytest.approx(0.2) and found.test == "Barnard"
    assert (-found.high, -found.low) == pytest.approx((0.0524, 0.3339), abs=1e-4)
    assert found.p_value < 0.01
    assert "B - A: -20.0 points (95 %: -33.4, -5.2)" in str(found)
    assert found.frame().loc["A"].tolist()[:3] == [56, 70, 0.8]


@pytest.mark.parametrize(
    ("a", "b", "p_value"), [((0, 10), (0, 20), 1.0), ((10, 10), (5, 5), 1.0), ((500, 1000), (500, 1000), 1.0)]
)
def test_where_nothing_differs_nothing_is_found(a: tuple[int, int], b: tuple[int, int], p_value: float) -> None:
    assert ab(a, b).p_value == pytest.approx(p_value)


@pytest.mark.parametrize("wrong", [(5, 3), (-1, 3), (0, 0)])
def test_counts_that_cannot_be_are_refused(wrong: tuple[int, int]) -> None:
    with pytest.raises(UsageError, match="cannot be"):
        ab(wrong, (1, 2))
