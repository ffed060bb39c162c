"""The journal of an autoscaler: what it heard, when it ticked → the decisions the rules make of it, beside those recorded.

With the settings of the record, decision by decision the same; with others, what they would have made of the same load.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .autoscaler import Autoscaler
from .decider import Decision
from .literals import Seconds
from .metrics import Stat
from .settings import Settings


@dataclass(frozen=True)
class Replayed:
    """One tick of one revision (`namespace/name`) with `ready` Pods, as they were."""

    revision: str
    at: Seconds
    ready: int
    recorded: Decision
    decided: Decision


def replayed(entries: Iterable[Mapping[str, Any]], settings: Settings | None = None) -> Iterator[Replayed]:
    """Of every tick in the journal, in order. `settings`: in place of the recorded ones, for every revision.

    A journal that begins in the middle is played from the first `began` of each revision.
    """
    playing: dict[str, Autoscaler] = {}
    for entry in entries:
        revision = entry["revision"]
        if entry["is"] == "began":
            known = settings or Settings(**entry["settings"])
            playing[revision] = Autoscaler(known, entry["ready"], entry["at"])
        elif entry["is"] == "changed" and revision in playing:
            playing[revision].update(entry["at"], settings or Settings(**entry["settings"]))
        elif revision in playing:
            yield from _played(playing[revision], entry)


def _played(scaler: Autoscaler, entry: Mapping[str, Any]) -> Iterator[Replayed]:
    at = entry["at"]
    if entry["is"] == "heard":
        scaler.hear(at, [Stat(**stat) for stat in entry["stats"]], entry["pods"])
    elif entry["is"] == "ticked":
        # It ticked then, whenever the player's own clock would have.
        scaler.next_tick = at
        if made := scaler.tick(at, entry["ready"], entry["reachable"]):
            yield Replayed(entry["revision"], at, entry["ready"], Decision(**entry["decision"]), made)
