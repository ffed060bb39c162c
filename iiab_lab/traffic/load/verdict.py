"""Frames of a run → what their reader has to know before trusting them: did the generator keep up, was everything sent."""

from __future__ import annotations

import html as markup
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .bounds import Bounds
from .phases import Phase, starts
from .wire import BOUND, DIED, STOPPED

if TYPE_CHECKING:
    import pandas

LATE_MS, BUSY = 10.0, 0.9  # beyond these, of the 99th percentile and of a core, a generator does not keep up
SHORT = [
    "planned",
    "rate",
    "requests",
    "failed",
    "p50_ms",
    "p90_ms",
    "p99_ms",
    "max_ms",
    "late_p99_ms",
    "statuses",
    "errors",
]


def warnings(
    frame: pandas.DataFrame,
    ticks: Sequence[Mapping[str, float]],
    phases: Sequence[Phase],
    bounds: Bounds,
    ended: str,
) -> list[str]:
    """One sentence each, with its cure; none where the run did what was planned. `frame` is results.by_phase's."""
    said = [line for line in [_end(frame, phases, bounds, ended)] if line]
    for index, (name, row) in enumerate(frame.iterrows()):
        busy = _busiest(ticks, *starts(phases)[index : index + 2])
        said += [f"{name}: {line}" for line in _of_phase(row, busy, bounds)]
    return said


def _end(frame: pandas.DataFrame, phases: Sequence[Phase], bounds: Bounds, ended: str) -> str:
    at, whole = f"{frame['seconds'].sum():.1f}", f"{starts(phases)[-1]:g} s"
    why = {
        BOUND: f"The run ended at its bound of {bounds.requests} requests, after {at} of {whole} → allow more requests",
        STOPPED: f"The run was stopped after {at} of {whole}",
        DIED: f"The generator died after {at} of {whole}; what it measured until then is here",
    }
    return why.get(ended, "")


def _of_phase(row: Mapping[str, Any], busy: float, bounds: Bounds) -> list[str]:
    said = []
    if row["late_p99_ms"] > LATE_MS or (busy > BUSY and row["held"]):
        said.append(
            f"the generator could not keep up: it sent one request in a hundred {row['late_p99_ms']:.0f} ms late or more, "
            f"and was busy for {busy:.0%} of a core. Latencies count from when requests were due, so they hold that too "
            "→ lower the rate, or leave it a core of its own"
        )
    if row["held"]:
        said.append(
            f"{row['held']} requests waited for one of {bounds.connections} connections, because answers came slower than "
            "requests fell due → an overloaded service looks so; allow more connections to press on"
        )
    if row["unsent"]:
        said.append(
            f"{row['unsent']} requests were never sent: no connection was free within {bounds.timeout:g} s of when they "
            "were due. They count as failed, with that time as their latency → lower the rate, or allow more connections"
        )
    return said


def _busiest(ticks: Sequence[Mapping[str, float]], start: float, end: float) -> float:
    """The mean share of a core over the phase's busier half: a phase may load the generator only at its peak."""
    shares = sorted(tick["busy"] for tick in ticks if start < tick["at"] <= end)
    half = shares[len(shares) // 2 :]
    return sum(half) / len(half) if half else 0.0


def html(frame: pandas.DataFrame, lines: Sequence[str]) -> str:
    """The phases as a table, the warnings below it."""
    table = frame[SHORT].to_html(float_format="{:.2f}".format, na_rep="–", border=0)
    return table + "".join(f"<p><b style='color:#b00020'>{markup.escape(line)}</b></p>" for line in lines)
