"""An InferenceService and a new version of it → the version promoted or taken back, by itself, step by step.

The order is what keeps requests safe: the version is offered without traffic and waited for; then each step gives it a
share, waits until the routes say so, and looks again and again; all of the traffic is given last. Whatever goes wrong, the
candidate's share is 0 before anything else is done. Run again after any end, it goes on from what the cluster says.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..errors import LabError, UsageError
from ..plots.prometheus import Prometheus
from ..target import Target
from .criteria import CRITERIA, ERRORS, Criterion
from .decide import Decision, Hold, Pause, Promote, RollBack, decide
from .evidence import Evidence
from .looks import Looks
from .record import Record, frame
from .service import Service
from .steps import STEPS, Step, check

if TYPE_CHECKING:
    import pandas

PROMOTED, ROLLED_BACK, PAUSED = "promoted", "rolled back", "paused"
_READY = 120.0  # seconds for a candidate to become ready
_KNOWN = 100  # requests of the baseline, to know how fast it is
_PATIENCE = 30.0  # seconds for those; without them, latency is not judged


@dataclass
class Rollout:
    """`run()` does it; everything else can be looked at meanwhile, from another thread too.

    `candidate` is a storageUri, or fields of spec.predictor. `outcome` is "" while it runs, then promoted, rolled back or paused, and `why` says the reason. `weights` are what the
    routes said in each step, `limit` (ms) is from where a request counts as slow.
    """

    target: Target
    service: str
    candidate: str | Mapping[str, Any]
    steps: Sequence[Step] = STEPS
    namespace: str = "tenant-a"
    criteria: Sequence[Criterion] = CRITERIA
    every: float = 0.5
    outcome: str = ""
    why: str = ""
    baseline: str = ""
    revision: str = ""
    limit: float | None = None
    began: float = 0.0
    ended: float = 0.0
    records: list[Record] = field(default_factory=list)
    weights: list[dict[str, int]] = field(default_factory=list)
    _touched: bool = False

    def __post_init__(self) -> None:
        given = self.candidate
        self._wanted: Mapping[str, Any] = {"model": {"storageUri": given}} if isinstance(given, str) else given

    def run(self) -> Rollout:
        """Itself, when it is over. Raises what went wrong, with a note of the state it left."""
        check(self.steps)
        self.began, known = time.time(), Service(self.target, self.service, self.namespace)
        try:
            self._run(known)
        except BaseException as error:
            self._leave(known, error)
            raise
        finally:
            self.ended = time.time()
        return self

    def frame(self) -> pandas.DataFrame:
        """See record.frame."""
        return frame(self.records[:])

    def _run(self, service: Service) -> None:
        state = service.state()
        self.baseline = state.rolled_out
        first = self._first(service)
        if first is None:
            self._end(PROMOTED, f"{self.baseline} has all of the traffic already: nothing was to be done")
            return
        looks = Looks(Prometheus(self.target), self.service, self.namespace)
        self._touched, others = True, {self.baseline}
        if not service.has(self._wanted):
            others.add(state.created)  # the newest until now: perhaps one that was taken back
            service.offer(self._wanted)
        try:
            self.revision = service.await_candidate(others, _READY)
        except LabError as error:
            service.give(0)
            self._end(ROLLED_BACK, f"it never took traffic: {error.message}")
            return
        self._settle(looks)
        self._climb(service, looks, first)

    def _first(self, service: Service) -> int | None:
        """The step to begin with; None where the candidate has everything. Raises UsageError where another is under way."""
        state, ours = service.state(), service.has(self._wanted)
        if not self.baseline:
            raise UsageError(
                f"No version of {self.service} serves yet.", "wait until it is Ready, then release the next"
            )
        if ours and state.percent is None:
            return None if state.created in ("", state.rolled_out) else 0
        if not ours and state.percent:
            raise UsageError(
                f"Another version of {self.service} has {state.percent} % of the traffic.",
                "finish that release, or take it back: canaryTrafficPercent: 0",
            )
        before = state.percent or 0
        return next((index for index, step in enumerate(self.steps) if step.percent >= before), len(self.steps) - 1)

    def _settle(self, looks: Looks) -> None:
        deadline = time.monotonic() + _PATIENCE
        while looks.settle(self.baseline) < _KNOWN and time.monotonic() < deadline:
            time.sleep(self.every)
        self.limit = looks.limit

    def _climb(self, service: Service, looks: Looks, first: int) -> None:
        evidence = Evidence(len(self.steps), self.criteria)
        for number, step in enumerate(self.steps[first:], first + 1):
            self._give(service, step)
            looks.forget()
            evidence.next_step()
            decision = self._watch(service, looks, evidence, number, step)
            if not isinstance(decision, Promote):
                self._stop(service, decision)
                return
        service.give_all()
        service.await_weights({self.revision: 100})
        self._end(PROMOTED, self.records[-1].decision.why)

    def _give(self, service: Service, step: Step) -> None:
        service.give(step.percent)
        service.await_weights({self.revision: step.percent, self.baseline: 100 - step.percent})
        self.weights.append(service.weights())

    def _watch(self, service: Service, looks: Looks, evidence: Evidence, number: int, step: Step) -> Decision:
        """Looks until something has to be done."""
        began, requests = time.monotonic(), 0
        while True:
            time.sleep(self.every)
            seen = looks.take(self.revision, self.baseline)
            requests += seen.counts[ERRORS].candidate.total
            seconds = time.monotonic() - began
            findings = evidence.look(seen)
            decision = self._undisturbed(service, step) or decide(step, findings, requests, seconds)
            self.records.append(Record(time.time(), number, step, seconds, requests, findings, decision))
            if not isinstance(decision, Hold):
                return decision

    def _undisturbed(self, service: Service, step: Step) -> Pause | None:
        """Somebody else's change is theirs: nothing more is touched."""
        state = service.state()
        if (state.percent, state.created, state.rolled_out) == (step.percent, self.revision, self.baseline):
            return None
        return Pause(f"somebody else has changed {self.service}: {state.created} of {state.percent} %")

    def _stop(self, service: Service, decision: Decision) -> None:
        if isinstance(decision, RollBack):
            service.give(0)
            service.await_weights({self.baseline: 100})
            self._end(ROLLED_BACK, decision.why)
        else:
            self._end(PAUSED, decision.why)

    def _leave(self, service: Service, error: BaseException) -> None:
        """The safe state, and a word about it on whatever was raised."""
        if self.outcome or not self._touched:
            return
        command = f"canaryTrafficPercent: 0 on {self.namespace}/{self.service}"
        try:
            service.give(0)
            self._end(ROLLED_BACK, f"interrupted: {type(error).__name__}")
            error.add_note(f"The candidate {self.revision or self.candidate} was taken back: {command}.")
        except LabError as failed:
            error.add_note(
                f"The candidate {self.revision or self.candidate} may still have traffic ({failed.message}): set {command}."
            )

    def _end(self, outcome: str, why: str) -> None:
        self.outcome, self.why = outcome, why

    def __repr__(self) -> str:
        return (
            f"Rollout({self.service}, {self.revision or 'no candidate yet'}: {self.outcome or 'under way'}; {self.why})"
        )


def rollout(
    target: Target,
    service: str,
    candidate: str | Mapping[str, Any],
    steps: Sequence[Step] = STEPS,
    **more: Any,
) -> Rollout:
    """Releases a version: `rollout(target, "iris", "pvc://models/iris/v2").why`.

    `more` are fields of Rollout. Raises UsageError where it cannot begin. To draw it while it runs, make a Rollout first, hand
    it to watch_rollout, and then `run()` it.
    """
    return Rollout(target, service, candidate, steps, **more).run()
