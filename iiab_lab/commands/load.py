"""`iiab load MODEL`: words on the command line → a plan, a display that follows it, a table, JSON or CSV, an exit code."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from ..errors import TrafficError, UsageError
from ..target import Target
from ..traffic.client import InferenceClient
from ..traffic.identity import tenant_of, token
from ..traffic.load.bounds import Bounds
from ..traffic.load.call import SETOSA, Call
from ..traffic.load.handle import Load, Now
from ..traffic.load.phases import Phase
from ..traffic.load.plan import plan as read_plan
from ..traffic.load.plan import seconds as read_seconds

_err = Console(stderr=True, highlight=False)
_LOOK = 0.2
INTERRUPTED = 130
_EXAMPLE = "iiab load sklearn-iris --rate 50 --seconds 10"


@dataclass(frozen=True)
class Wish:
    """What was said of the load, as it was said."""

    rate: float = 0.0
    concurrency: int = 0
    plan: str = ""
    seconds: str = "10"
    poisson: bool = False
    seed: int = 0

    def phases(self) -> list[Phase]:
        """Raises UsageError unless exactly one way was chosen."""
        if sum(map(bool, (self.rate, self.concurrency, self.plan))) != 1:
            raise UsageError("Say one of --rate, --concurrency and --plan.", _EXAMPLE)
        if self.plan:
            phases = read_plan(self.plan)
        elif self.concurrency:
            phases = [Phase.closed("closed", self.concurrency, read_seconds(self.seconds))]
        else:
            phases = [Phase.constant("constant", self.rate, read_seconds(self.seconds))]
        return [phase.poisson(self.seed) for phase in phases] if self.poisson else phases


@dataclass(frozen=True)
class Request:
    """What is sent, and as whom."""

    model: str
    tenant: str = ""
    rows: str = ""
    v2: bool = False
    tls: bool = False

    def call(self, target: Target) -> Call:
        jwt = token(target, self.tenant or tenant_of(target, self.model))
        rows = _rows(self.rows) if self.rows else SETOSA
        return Call.predict(InferenceClient(target, jwt, self.tls), self.model, rows, self.v2)


def load(request: Request, wish: Wish, bounds: Bounds, as_json: bool, csv: Path | None) -> int:
    """Exit code: 0 where every request of the plan got a 2xx, 1 where one did not, 130 after Ctrl-C."""
    phases = wish.phases()
    bounds.check(phases)
    if csv and not csv.absolute().parent.is_dir():
        raise UsageError(f"There is no folder for {csv}.", f"mkdir -p {csv.parent}")
    call, interrupted = request.call(Target.connect()), False
    with Load(call, phases, bounds) as run:
        try:
            _follow(run)
        except KeyboardInterrupt:
            interrupted = True
    _tell(run, as_json, csv)
    if interrupted:
        return INTERRUPTED
    return 0 if run.passed else TrafficError.exit_code


def _follow(run: Load) -> None:
    with Live(console=_err, refresh_per_second=5, transient=True, get_renderable=lambda: _line(run.now())):
        run.wait()


def _line(now: Now) -> Text:
    seen = "  ".join(f"{what}: {count}" for what, count in now.seen.items())
    return Text(
        f"{now.seconds:6.1f} s  {now.phase}  {now.rate:.0f}/s  {now.in_flight} in flight"
        + (f", {now.waiting} waiting" if now.waiting else "")
        + f"  p50 {now.p50_ms:.1f} ms  p99 {now.p99_ms:.1f} ms  {seen}"
    )


def _tell(run: Load, as_json: bool, csv: Path | None) -> None:
    if csv:
        run.frame().to_csv(csv, index=False)
    if as_json:
        print(json.dumps(summary(run), indent=2))
    else:
        Console().print(_table(run))
        for line in run.warnings():
            _err.print(f"[bold red]![/] {line}", soft_wrap=True)


def summary(run: Load) -> dict[str, Any]:
    """What --json prints; numbers that do not exist (a percentile of nothing) are null."""
    phases = json.loads(run.phases().reset_index().to_json(orient="records"))
    return {
        "url": run.call.url,
        "ended": run.ended,
        "passed": run.passed,
        "warnings": run.warnings(),
        "phases": phases,
    }


def _table(run: Load) -> Table:
    columns = ("phase", "seconds", "requests/s", "p50", "p90", "p99", "p99.9", "max ms", "late p99", "answers")
    table = Table(*columns, box=None, pad_edge=False)
    for column in table.columns[1:-1]:
        column.justify, column.no_wrap = "right", True
    for name, row in run.phases().iterrows():
        times = [f"{row[key]:.1f}" for key in ("p50_ms", "p90_ms", "p99_ms", "p99.9_ms", "max_ms", "late_p99_ms")]
        answers = row["statuses"] | row["errors"] | row["revisions"]
        said = ", ".join(f"{what}: {count}" for what, count in answers.items())
        table.add_row(str(name), f"{row['seconds']:.1f}", f"{row['rate']:.1f}", *times, said)
    return table


def _rows(text: str) -> list[list[float]]:
    try:
        rows = json.loads(text)
        return [[float(value) for value in row] for row in rows]
    except (ValueError, TypeError) as error:
        raise UsageError(
            f"--rows {text!r} is no list of rows of numbers.", "--rows '[[5.1, 3.5, 1.4, 0.2]]'"
        ) from error
