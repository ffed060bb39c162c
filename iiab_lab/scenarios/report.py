"""What a scenario claims and what it saw: counted checks with their evidence, for a notebook, a terminal and a program."""

from __future__ import annotations

import html
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ..errors import CheckFailed, LabError

# The whole Report as JSON rides along with what is shown, so that a program can count what a reader sees.
MIME = "application/vnd.iiab.report+json"


@dataclass(frozen=True)
class Check:
    name: str
    expected: str
    observed: str
    passed: bool
    evidence: str = ""


@dataclass
class Report:
    """A scenario's checks, in order, and the frames and figures that show them; what was not tried here, and why."""

    scenario: str
    engine: str
    seconds: float = 0.0
    checks: list[Check] = field(default_factory=list)
    frames: dict[str, Any] = field(default_factory=dict)
    figures: dict[str, Any] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """At least one check, and none that failed: a scenario that checked nothing has shown nothing."""
        return bool(self.checks) and all(check.passed for check in self.checks)

    def expect(self, name: str, expected: Any, observe: Callable[[], Any], evidence: str = "") -> Any:
        """Adds a check that `observe()` gives `expected`; an error it raises is what was observed."""
        try:
            observed = observe()
        except LabError as error:
            self.add(name, expected, error.message, False, evidence)
            return None
        self.add(name, expected, observed, observed == expected, evidence)
        return observed

    def add(self, name: str, expected: Any, observed: Any, passed: bool, evidence: str = "") -> None:
        self.checks.append(Check(name, str(expected), str(observed), bool(passed), evidence))

    def require(self) -> Report:
        """Itself, if every check passed; raises CheckFailed with those that did not."""
        if self.passed:
            return self
        failed = [f"{c.name}: expected {c.expected}, observed {c.observed}" for c in self.checks if not c.passed]
        raise CheckFailed(
            f"{self.scenario}: " + ("; ".join(failed) or "nothing was checked"),
            "look at: iiab status, then run it again",
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "scenario": self.scenario,
            "engine": self.engine,
            "passed": self.passed,
            "seconds": round(self.seconds, 3),
            "checks": [vars(check) for check in self.checks],
        }

    def render(self) -> Any:
        """A rich table."""
        from rich.table import Table

        count = sum(check.passed for check in self.checks)
        title = f"{self.scenario} on {self.engine}: {count} of {len(self.checks)} checks passed{self._took()}"
        columns = ("", "check", "expected", "observed", "evidence")
        table = Table(
            *columns, title=title, title_justify="left", caption=self._not_tried() or None, caption_justify="left"
        )
        for check in self.checks:
            mark = "[green]✓[/]" if check.passed else "[bold red]✗[/]"
            table.add_row(mark, check.name, check.expected, check.observed, check.evidence)
        return table

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        return {MIME: self.to_json(), "text/html": self._html(), "text/plain": repr(self)}

    def _html(self) -> str:
        count = sum(check.passed for check in self.checks)
        head = "".join(
            f"<th style='text-align:left'>{name}</th>" for name in ("", "check", "expected", "observed", "evidence")
        )
        rows = "".join(_row(check) for check in self.checks)
        title = f"{html.escape(self.scenario)}: {count} of {len(self.checks)} checks passed{self._took()}"
        return f"<p><b>{title}</b></p><table><tr>{head}</tr>{rows}</table><p>{html.escape(self._not_tried())}</p>"

    def _not_tried(self) -> str:
        """One line for each reason."""
        reasons: dict[str, list[str]] = {}
        for name, why in self.left_out.items():
            reasons.setdefault(why, []).append(name)
        return "\n".join(f"Not tried here, {why}: {', '.join(names)}" for why, names in reasons.items())

    def _took(self) -> str:
        return f" in {self.seconds:.1f} s" if self.seconds else ""

    def __repr__(self) -> str:
        return f"Report({self.scenario!r}, passed={self.passed}, checks={len(self.checks)})"


def _row(check: Check) -> str:
    mark = "<span style='color:#0a7d33'>✓ passed</span>" if check.passed else "<b style='color:#b00020'>✗ failed</b>"
    cells = (check.name, check.expected, check.observed, check.evidence)
    style = "text-align:left;max-width:28em;overflow-wrap:anywhere"
    return (
        f"<tr><td style='white-space:nowrap'>{mark}</td>"
        + "".join(f"<td style='{style}'>{html.escape(cell)}</td>" for cell in cells)
        + "</tr>"
    )
