"""The scenario's releases, some times over → rows of the table: how long they take, and who meets what should not be met."""

from __future__ import annotations

import statistics

from rich.table import Table

from iiab_lab.rollout.driver import PROMOTED, ROLLED_BACK
from iiab_lab.rollout.steps import STEPS
from iiab_lab.scenarios.canary import V2, V3, Release, deployed, released, removed
from iiab_lab.target import Target

from ..e2e.lab import Lab

ROUNDS = 3


def rows(lab: Lab, table: Table) -> None:
    """Under 100 requests/s, from the patch to the last weights; the good version, then the bad one."""
    target = Target.connect(lab.home)
    removed(target)
    good, bad = [], []
    try:
        for _ in range(ROUNDS):
            deployed(target)
            good.append(released(target, V2))
            deployed(target)
            bad.append(released(target, V3))
    finally:
        removed(target)
    assert {one.rollout.outcome for one in good} == {PROMOTED} and {one.rollout.outcome for one in bad} == {ROLLED_BACK}
    lost, sent = sum(map(_failed, good)), sum(len(one.requests) for one in good)
    table.add_row(f"a better version promoted after, {ROUNDS} times", _seconds([_whole(one) for one in good]), "–")
    table.add_row("  requests lost meanwhile", f"{lost} of {sent:,}", "0")
    table.add_row("a bad version: first share → its last", _seconds([_shared(one) for one in bad]), "–")
    met = [int((one.requests["revision"] == one.rollout.revision).sum()) for one in bad]
    shares = ", ".join(f"{count} ({count / len(one.requests):.1%})" for count, one in zip(met, bad, strict=True))
    table.add_row("  requests that met it", shares, f"≤ {STEPS[0].percent} %")
    table.add_row("  of them failed", ", ".join(str(_failed(one)) for one in bad), "–")


def _whole(release: Release) -> float:
    return release.rollout.ended - release.rollout.began


def _shared(release: Release) -> float:
    first = release.rollout.records[0]
    return release.rollout.ended - (first.time - first.seconds)


def _failed(release: Release) -> int:
    return int((release.requests["status"] != 200).sum())


def _seconds(found: list[float]) -> str:
    return f"{statistics.median(found):.1f} s ({min(found):.1f} to {max(found):.1f})"
