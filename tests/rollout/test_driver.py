"""The driver on a service and a Prometheus that a test plays: what it does, in which order, and how it leaves things."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from iiab_lab.errors import NotReady, UsageError
from iiab_lab.rollout import driver
from iiab_lab.rollout.driver import Rollout, rollout
from iiab_lab.rollout.evidence import Look
from iiab_lab.rollout.record import COLUMNS
from iiab_lab.rollout.service import State
from iiab_lab.rollout.steps import Step
from iiab_lab.target import Target

from .known import look

TARGET = Target("embedded", Path("/none"), "", "", "http://127.0.0.1:1")
V2: dict[str, Any] = {"model": {"storageUri": "pvc://iris/v2"}}
STEPS = (Step(10, 50, ("errors",)), Step(50, 100, ("errors", "latency", "accuracy")))


class World:
    """The service and its metrics. `said` is the predictor's spec as far as it matters."""

    def __init__(self, *, storage: str = "v1", percent: int | None = None, created: str = "r1") -> None:
        self.storage, self.percent, self.created, self.rolled_out = storage, percent, created, "r1"
        self.done: list[str] = []
        self.seen: Callable[[], Look] = look
        self.fails, self.refuses = "", ""

    # In the place of Service

    def state(self) -> State:
        return State(self.percent, self.created, self.created, self.rolled_out, True, "")

    def has(self, predictor: dict[str, Any]) -> bool:
        return predictor["model"]["storageUri"].endswith(self.storage)

    def offer(self, predictor: dict[str, Any]) -> None:
        self.storage, self.percent = predictor["model"]["storageUri"][-2:], 0
        self.created = f"r{int(self.created[1:]) + 1}"
        self.done.append("offer")

    def give(self, percent: int) -> None:
        if self.refuses and percent:
            raise NotReady(self.refuses)
        self.percent = percent
        self.done.append(f"give {percent}")

    def give_all(self) -> None:
        self.percent, self.rolled_out = None, self.created
        self.done.append("give all")

    def await_candidate(self, others: set[str], seconds: float) -> str:
        if self.fails:
            raise NotReady(self.fails)
        assert self.created not in others
        return self.created

    def await_weights(self, wanted: dict[str, int]) -> None:
        self.done.append(f"await {wanted}")

    def weights(self) -> dict[str, int]:
        return {self.created: self.percent or 100, self.rolled_out: 100 - (self.percent or 100)}

    # In the place of Looks

    limit = 10.0

    def settle(self, baseline: str) -> int:
        return 100

    def forget(self) -> None:
        pass

    def take(self, candidate: str, baseline: str) -> Look:
        assert (candidate, baseline) == (self.created, self.rolled_out)
        return self.seen()


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    made = World()
    played(monkeypatch, made)
    yield made


def played(monkeypatch: pytest.MonkeyPatch, world: World) -> None:
    monkeypatch.setattr(driver, "Service", lambda *_: world)
    monkeypatch.setattr(driver, "Looks", lambda *_: world)


def released(steps: tuple[Step, ...] = STEPS) -> Rollout:
    return rollout(TARGET, "iris", "pvc://iris/v2", steps, every=0.0)


def changes(world: World) -> list[str]:
    return [one for one in world.done if not one.startswith("await")]


def test_a_good_version_is_offered_without_traffic_and_promoted_step_by_step(world: World) -> None:
    done = released()
    assert done.outcome == "promoted" and "errors: 0 of" in done.why
    assert world.done == [
        "offer",
        *("give 10", "await {'r2': 10, 'r1': 90}", "give 50", "await {'r2': 50, 'r1': 50}"),
        *("give all", "await {'r2': 100}"),
    ]
    assert (done.baseline, done.revision, done.limit) == ("r1", "r2", 10.0)
    assert done.weights == [{"r2": 10, "r1": 90}, {"r2": 50, "r1": 50}]


def test_a_bad_version_is_taken_back_at_the_first_step(world: World) -> None:
    world.seen = lambda: look(failed=20)
    done = released()
    assert done.outcome == "rolled back" and "the candidate does harm" in done.why
    assert changes(world) == ["offer", "give 10", "give 0"] and world.done[-1] == "await {'r1': 100}"


def test_a_version_that_turns_bad_at_the_second_step_is_taken_back_there(world: World) -> None:
    world.seen = lambda: look(wrong=20) if world.percent == 50 else look()
    assert released().outcome == "rolled back"
    assert changes(world) == ["offer", "give 10", "give 50", "give 0"]


def test_without_evidence_it_pauses_and_the_weights_stay(world: World) -> None:
    world.seen = lambda: Look({"errors": look(total=0).counts["errors"]})
    done = released((Step(10, 50, ("errors",), seconds=0.05),))
    assert done.outcome == "paused" and "is there any traffic?" in done.why
    assert changes(world) == ["offer", "give 10"] and world.percent == 10


def test_a_version_that_cannot_load_never_takes_traffic(world: World) -> None:
    world.fails = "no such file"
    done = released()
    assert done.outcome == "rolled back" and done.why == "it never took traffic: no such file"
    assert changes(world) == ["offer", "give 0"] and done.records == []


@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError("away")])
def test_whatever_interrupts_it_takes_the_candidate_back_first(world: World, error: BaseException) -> None:
    def raising() -> Look:
        raise error

    world.seen = raising
    with pytest.raises(type(error)) as raised:
        released()
    assert changes(world) == ["offer", "give 10", "give 0"]
    assert any("r2 was taken back" in note for note in raised.value.__notes__)


def test_where_even_that_fails_it_says_what_to_type(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(percent: int) -> None:
        raise NotReady("the API server does not answer")

    monkeypatch.setattr(world, "give", refused)
    with pytest.raises(NotReady) as raised:
        released()
    assert any("canaryTrafficPercent: 0 on tenant-a/iris" in note for note in raised.value.__notes__)


@pytest.mark.parametrize(
    ("percent", "done"),
    [
        (50, ["give 50", "give all"]),
        (10, ["give 10", "give 50", "give all"]),
        (30, ["give 50", "give all"]),
        (0, ["give 10", "give 50", "give all"]),  # it was taken back, and somebody wants to try again
    ],
)
def test_run_again_it_goes_on_where_it_was(monkeypatch: pytest.MonkeyPatch, percent: int, done: list[str]) -> None:
    world = World(storage="v2", percent=percent, created="r2")
    played(monkeypatch, world)
    assert released().outcome == "promoted" and changes(world) == done


def test_what_is_promoted_already_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(storage="v2")
    played(monkeypatch, world)
    assert released().outcome == "promoted" and world.done == []


def test_another_release_under_way_is_not_disturbed(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(storage="v3", percent=10, created="r2")
    played(monkeypatch, world)
    with pytest.raises(UsageError, match="Another version of iris has 10 %"):
        released()
    assert world.done == []


def test_after_one_was_taken_back_the_next_is_another_revision(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(storage="v3", percent=0, created="r2")
    played(monkeypatch, world)
    done = released()
    assert done.outcome == "promoted" and done.revision == "r3" and world.done[0] == "offer"


def test_somebody_elses_change_is_theirs(world: World) -> None:
    def changed() -> Look:
        world.percent = 77
        return look()

    world.seen = changed
    done = released()
    assert done.outcome == "paused" and "somebody else has changed iris" in done.why
    assert changes(world) == ["offer", "give 10"] and world.percent == 77


def test_a_service_that_never_served_is_refused(world: World) -> None:
    world.rolled_out = ""
    with pytest.raises(UsageError, match="No version of iris serves yet"):
        released()


def test_each_look_is_a_row_for_each_criterion_with_its_reason(world: World) -> None:
    frame = released().frame()
    assert tuple(frame.columns) == COLUMNS
    looks = frame.groupby("time", sort=True)
    assert (looks.size() == 4).all() and set(frame["criterion"]) == {"errors", "latency", "accuracy", "drift"}
    assert frame["decision"].iloc[-1] == "promote" and (frame["why"] != "").all()
    assert frame["time"].is_monotonic_increasing and str(frame["time"].dt.tz) == "UTC"
    assert Rollout(TARGET, "iris", V2).frame().empty
