"""A client, a model and a plan → load from a process of its own, and a handle that looks at it, waits for it, stops it."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...errors import TrafficError
from ..client import InferenceClient, Rows
from . import results, verdict
from .bounds import Bounds
from .call import SETOSA, Call
from .child import Child
from .phases import Phase
from .plan import plan as read_plan
from .wire import DIED, DONE, KINDS, STOPPED

if TYPE_CHECKING:
    import pandas

_LOOK = 0.1  # seconds
_RECENT = 12  # chunks of a tenth of a second: a little more than the second that is looked at
_STILL = {"at": 0.0, "in_flight": 0, "waiting": 0, "busy": 0.0}
_PATIENCE = 30.0  # seconds for the process to begin
_CURE = "run it again; if it stays so, look at: iiab doctor"


def load(
    client: InferenceClient,
    model: str,
    plan: str | Phase | Sequence[Phase],
    rows: Rows = SETOSA,
    v2: bool = False,
    bounds: Bounds | None = None,
) -> Load:
    """Predictions of `model` by `plan`, from now on: `load(client, "sklearn-iris", "ramp:10-200:30s").wait().phases()`.

    Raises UsageError for a plan that cannot be, TrafficError where the generator does not start.
    """
    return Load(Call.predict(client, model, rows, v2), plan, bounds)


@dataclass(frozen=True)
class Now:
    """What a load is doing: seconds since it began, the phase; answers/s and percentiles of the last second; and since the
    beginning how many requests came to an end, how many of them failed, and with what status or error.
    """

    seconds: float
    phase: str
    rate: float
    in_flight: int
    waiting: int
    p50_ms: float
    p99_ms: float
    requests: int
    failed: int
    seen: dict[int | str, int]


class Load:
    """Runs from the moment it is made until its plan is over, `stop()`, or the end of a `with`.

    While it runs, the frames hold what has come to its end. `ended` is "" until it is over, then "done", "stopped" or
    "bound"; "died" where the generator did.
    """

    def __init__(self, call: Call, plan: str | Phase | Sequence[Phase], bounds: Bounds | None = None) -> None:
        self.call, self.plan, self.bounds = call, read_plan(plan), bounds or Bounds()
        self.bounds.check(self.plan)
        self.ended, self._began = "", 0.0
        self._words: dict[str, list[str]] = {kind: [""] for kind in KINDS}
        self._chunks: list[bytes] = []
        self._ticks: list[dict[str, float]] = []
        self._seen: Counter[int | str] = Counter()
        self._begun, self._over = threading.Event(), threading.Event()
        phases = [phase.to_json() for phase in self.plan]
        order = {"call": call.to_json(), "bounds": self.bounds.to_json(), "phases": phases}
        self._child = Child(order, self._take, self._finish)
        try:
            self._begun.wait(_PATIENCE)
        finally:
            if not self._began:  # also where somebody interrupts: nobody would hold a handle to it
                self._child.kill()
        if not self._began:
            raise TrafficError(f"The load generator did not start: {self._child.last_words()}", _CURE)

    @property
    def running(self) -> bool:
        return not self._over.is_set()

    @property
    def pid(self) -> int:
        """Of the generator's process."""
        return self._child.pid

    @property
    def passed(self) -> bool:
        """Whether the whole plan was sent and every answer was a 2xx."""
        now = self.now()
        return self.ended == DONE and now.requests > 0 and not now.failed

    def frame(self) -> pandas.DataFrame:
        """One row per request: see results.requests."""
        return results.requests(self._records(), self.plan, self._words, self._began)

    def phases(self) -> pandas.DataFrame:
        """One row per phase: see results.by_phase."""
        return results.by_phase(self._records(), self.plan, self._words, self._tick["at"])

    def seconds(self) -> pandas.DataFrame:
        """One row per second: see results.by_second."""
        return results.by_second(self._records(), self.plan, self._began, self._ticks[:])

    def warnings(self) -> list[str]:
        """What a reader of the numbers has to know: see verdict.warnings."""
        return verdict.warnings(self.phases(), self._ticks[:], self.plan, self.bounds, self.ended)

    def now(self) -> Now:
        tick, seen = self._tick, self._seen.copy()
        at, recent = tick["at"], results.read(self._chunks[-_RECENT:])
        last = recent[recent["due"] + recent["latency"] > at - 1]["latency"]
        fine = sum(number for status, number in seen.items() if str(status).startswith("2"))
        return Now(
            seconds=at,
            phase=results.phase_at(self.plan, at),
            rate=len(last) / min(1.0, max(at, 0.1)),
            in_flight=int(tick["in_flight"]),
            waiting=int(tick["waiting"]),
            p50_ms=results.percentile(last, 0.5) * 1e3,
            p99_ms=results.percentile(last, 0.99) * 1e3,
            requests=seen.total(),
            failed=seen.total() - fine - seen[STOPPED],
            seen=dict(seen),
        )

    def wait(self) -> Load:
        """Itself, once it is over. Ctrl-C stops it and is passed on. Raises TrafficError where the generator died."""
        try:
            self._over.wait()
        except KeyboardInterrupt:
            self.stop()
            raise
        if self.ended == DIED:
            raise TrafficError(f"The load generator ended early: {self._child.last_words()}", _CURE)
        return self

    def await_revision(self, prefix: str, answers: int = 100, seconds: float = 30) -> Load:
        """Itself, once the newest answers all came from revisions that begin so. Raises TrafficError where they do not."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            newest = self.frame()["revision"].tail(answers)
            if len(newest) == answers and newest.str.startswith(prefix).all():
                return self
            self._over.wait(_LOOK)
        others = f"{len(newest)} answers, of {', '.join(sorted(set(newest))) or 'nobody'}"
        raise TrafficError(
            f"Not all go to {prefix} after {seconds:.0f} s: {others}.", "look at: kubectl get virtualservice"
        )

    def stop(self) -> None:
        """Nothing more is sent; what is in flight has a second to come back. Nothing where it is over."""
        self._child.stop()

    def __enter__(self) -> Load:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def __repr__(self) -> str:
        now = self.now()
        return f"Load({self.ended or 'running'}, {now.seconds:.1f} s, requests={now.requests}, failed={now.failed})"

    def _repr_html_(self) -> str:
        return verdict.html(self.phases(), self.warnings())

    @property
    def _tick(self) -> dict[str, float]:
        return self._ticks[-1] if self._ticks else _STILL

    def _records(self) -> Any:
        return results.read(self._chunks[:])

    # In the child's thread

    def _take(self, frame: dict[str, Any] | bytes) -> None:
        if isinstance(frame, bytes):
            self._chunks.append(frame)
            self._seen += results.seen(results.read([frame]), self._words)
            return
        self._words = {kind: frame[kind] for kind in self._words}
        if "tick" in frame:
            self._ticks.append(frame["tick"])
        if "began" in frame:
            self._began = frame["began"]
            self._begun.set()
        self.ended = frame.get("ended", "")

    def _finish(self) -> None:
        self.ended = self.ended or DIED
        self._begun.set()
        self._over.set()
