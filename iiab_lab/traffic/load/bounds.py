"""What a run may take at most → a record that both processes read."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from ...errors import UsageError
from .phases import LONGEST, Phase, starts

MOST = {"connections": 10_000, "requests": 10_000_000, "timeout": 600.0}


@dataclass(frozen=True)
class Bounds:
    """HTTP/1.1 carries one request per connection, so `connections` bounds what is in flight. `timeout` (seconds) is how
    long whoever sends a request is willing to wait, counted from the moment it was due. A run ends at the latest that long
    after its plan, and after `requests` requests. Raises UsageError.
    """

    connections: int = 512
    requests: int = 1_000_000
    timeout: float = 10.0

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if not 0 < value <= MOST[name]:
                raise UsageError(f"{name} cannot be {value:g}.", f"more than 0 and at most {MOST[name]:,g}")

    def check(self, phases: list[Phase]) -> None:
        """Raises UsageError for a plan that would meet a bound from the start."""
        crowd = max((phase.concurrency for phase in phases), default=0)
        if crowd > self.connections:
            raise UsageError(
                f"{crowd} users need as many connections, and {self.connections} are allowed.", "allow more connections"
            )
        if not phases or starts(phases)[-1] > LONGEST:
            raise UsageError(f"A plan has one phase or more, and {LONGEST:.0f} seconds at most.", "cut it into several")

    def to_json(self) -> dict[str, Any]:
        return asdict(self)
