"""cluster.json in the home: what was made where. It is written before each step as well, so that what broke off is undone too."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..home import write_json
from .where import Where

FILE = "cluster.json"
BEGAN, DONE, THEIRS = "began", "done", "theirs"


@dataclass
class Done:
    """`kept` are the step's objects that were there before, so are nobody's to undo; see render.called."""

    state: str
    digest: str = ""
    kept: list[str] = field(default_factory=list)


@dataclass
class Record:
    """`cluster` is the uid of its namespace kube-system: what is written here is true of that cluster alone. `forward` names
    the process that keeps forwards open: pid and when it started."""

    context: str = ""
    registry: str = ""
    ports: dict[str, int] = field(default_factory=dict)
    cluster: str = ""
    steps: dict[str, Done] = field(default_factory=dict)
    forward: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, home: Path) -> Record | None:
        """None where this home has no cluster."""
        try:
            known = json.loads((home / FILE).read_text())
        except (OSError, ValueError):
            return None
        return cls(**known | {"steps": {name: Done(**done) for name, done in known["steps"].items()}})

    @classmethod
    def of(cls, where: Where) -> Record:
        return cls(where.context, where.registry, dict(where.ports))

    def where(self, home: Path) -> Where:
        return Where(home, self.context, self.ports, self.registry)

    def write(self, home: Path) -> None:
        write_json(home / FILE, asdict(self))
