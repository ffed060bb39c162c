"""What the autoscalers hear and decide → lines of JSON in <home>/logs/autoscaler.jsonl, to be played again."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..objects.kinds import Key
from ..reconcile.ports import Measured
from ..rules.autoscaling.decider import Decision
from ..rules.autoscaling.settings import Settings


class FileJournal:
    def __init__(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._file = file.open("a", buffering=1)

    def close(self) -> None:
        self._file.close()

    def began(self, revision: Key, at: float, ready: int, settings: Settings) -> None:
        self._write("began", revision, at, ready=ready, settings=asdict(settings))

    def heard(self, measured: Measured) -> None:
        """Seconds in which nothing happened are told too: an autoscaler counts them."""
        stats = [asdict(stat) for stat in measured.stats]
        self._write("heard", measured.revision, measured.at, pods=measured.pods, stats=stats)

    def ticked(self, revision: Key, at: float, ready: int, reachable: bool, decision: Decision) -> None:
        self._write("ticked", revision, at, ready=ready, reachable=reachable, decision=asdict(decision))

    def _write(self, what: str, revision: Key, at: float, **said: Any) -> None:
        self._file.write(json.dumps({"is": what, "revision": str(revision), "at": at} | said) + "\n")
