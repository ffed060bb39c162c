"""tenant-a's latency while tenant-b floods with ten times its limit: pairs by turns, with the policies and without → rows."""

from __future__ import annotations

import statistics

from rich.table import Table

from iiab_lab.scenarios.tenancy.neighbour import STEADY, TIMES, Neighbours, Round
from iiab_lab.target import Target

from ..e2e.lab import Lab

ROUNDS, SECONDS = 5, 5.0


def rows(lab: Lab, table: Table) -> None:
    with Neighbours(Target.connect(lab.home)) as both:
        pairs = [pair(both, turn % 2 == 0) for turn in range(ROUNDS)]
        limit = both.limit
    kept, lost = [one for one, _ in pairs], [other for _, other in pairs]
    what = f"tenant-a at {STEADY} requests/s, tenant-b at {TIMES} × its {limit}/s"
    table.add_row(f"{what}: p50/p95/p99 with the policies", f"{latencies(kept)}, {failed(kept)} failed", "0 failed")
    table.add_row("  of tenant-b's refused", f"{sum(one.refused for one in kept):,} of {sum(len(one.flood) for one in kept):,}", "–")  # fmt: skip
    table.add_row("  p50/p95/p99 without", f"{latencies(lost)}, {failed(lost)} failed", "–")
    ratios = [other.latency(0.95) / one.latency(0.95) for one, other in pairs]
    spread = f"{statistics.median(ratios):.1f} × ({min(ratios):.1f} to {max(ratios):.1f})"
    table.add_row(f"  p95 without over with, median of {ROUNDS} pairs", spread, "≥ 2")


def pair(both: Neighbours, limited_first: bool) -> tuple[Round, Round]:
    """(with the policies, without); who goes first alternates."""
    found = {}
    for limited in (limited_first, not limited_first):
        both.limited(limited)
        found[limited] = both.round(SECONDS)
    return found[True], found[False]


def latencies(rounds: list[Round]) -> str:
    medians = (statistics.median(one.latency(share) for one in rounds) for share in (0.5, 0.95, 0.99))
    return " / ".join(f"{value:.1f}" for value in medians) + " ms"


def failed(rounds: list[Round]) -> int:
    return sum(one.failed for one in rounds)
