"""What a release saw and decided at each look → rows, and a DataFrame of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .criteria import Finding
from .decide import Decision
from .steps import Step

if TYPE_CHECKING:
    import pandas

COLUMNS = (
    *("time", "step", "percent", "seconds", "requests", "criterion", "candidate_bad", "candidate_total"),
    *("baseline_bad", "baseline_total", "statistic", "bound", "against", "worst", "margin", "decision", "why"),
)


@dataclass(frozen=True)
class Record:
    """`time` is seconds since the epoch, `seconds` and `requests` (of the candidate) count since the step began."""

    time: float
    number: int
    step: Step
    seconds: float
    requests: int
    findings: tuple[Finding, ...]
    decision: Decision

    def rows(self) -> list[tuple[object, ...]]:
        """One for each criterion."""
        head = (self.time, self.number, self.step.percent, self.seconds, self.requests)
        tail = (str(self.decision), self.decision.why)
        return [(*head, *_row(finding), *tail) for finding in self.findings]


def frame(records: Sequence[Record]) -> pandas.DataFrame:
    """One row per look and criterion. `time` is UTC; the counts are this step's; `statistic` and `against` as of Finding;
    `worst` and `margin` are shares.
    """
    import pandas

    made = pandas.DataFrame([row for record in records for row in record.rows()], columns=list(COLUMNS))
    return made.assign(time=pandas.to_datetime(made["time"], unit="s", utc=True))


def _row(finding: Finding) -> tuple[object, ...]:
    (candidate, baseline), criterion = finding.pair, finding.criterion
    judged = (finding.statistic, finding.bound, finding.against, finding.worst, criterion.margin)
    return (criterion.name, *candidate, *baseline, *judged)
