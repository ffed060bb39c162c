"""A scenario's report → the first in which every check ended as is waited for: what was applied is in force a moment later."""

from __future__ import annotations

import time
from collections.abc import Callable

from ..errors import CheckFailed
from .report import Report


def repeated(run: Callable[[], Report], until: str, seconds: float = 10) -> Report:
    """`until` is "passed" or "failed"; "" for the first report. Raises CheckFailed where that moment does not come."""
    deadline = time.monotonic() + seconds
    while True:
        report = run()
        ended = {check.name: "passed" if check.passed else "failed" for check in report.checks}
        other = [name for name, end in ended.items() if end != until]
        if not until or not other:
            return report
        if time.monotonic() > deadline:
            raise CheckFailed(f"Not {until} within {seconds:.0f} s: {', '.join(other)}.", "look at: iiab status")
