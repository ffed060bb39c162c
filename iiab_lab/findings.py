"""What a check of this machine found: what was seen, what is needed, and the cure. The same for every engine."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from .errors import Unsupported


@dataclass(frozen=True)
class Finding:
    name: str
    ok: bool
    seen: str
    needed: str
    cure: str = ""


def require(findings: Iterable[Finding]) -> None:
    """Raises Unsupported for the first that is not ok."""
    for finding in findings:
        if not finding.ok:
            raise Unsupported(f"{finding.name}: {finding.seen}; needed: {finding.needed}.", finding.cure)
