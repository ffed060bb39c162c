"""Every tenant × everything of every other, by every road → what was denied, with its control; a heat map and a frame."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from ...errors import UsageError
from ...target import Target
from ..repeat import repeated
from ..report import Report
from ..security import evidence
from ..security.catalogue import Tried, Verdict, judged, sent
from . import figures
from .estate import Estate
from .roads import gateway, kubernetes, management, metrics, network, processes, web
from .row import NOT_ISOLATED, Row

if TYPE_CHECKING:
    import pandas

ROADS = (
    *("network", "kubernetes", "gateway", "management", "registry", "metrics", "logs", "audit", "web"),
    *("processes", "egress"),
)
DENIED, OPEN, UNPROVEN = "denied", "open", "unproven"


class Found(NamedTuple):
    """`verdict`: denied, open, unproven (the owner is refused as well), or not isolated, with `why`: the platform says so itself."""

    actor: str
    owner: str
    row: Row
    tried: Tried
    seen: Verdict
    verdict: str
    why: str


def isolation(
    target: Target, only: Collection[str] = (), among: Collection[str] = (), until: str = "", seconds: float = 20
) -> Report:
    """By `only` some roads, `among` some tenants; with `until` ("passed" or "failed"), again until every check has: what was
    applied is in force a moment later. Leaves nothing behind. Raises UsageError for a road or a tenant there is not, CheckFailed
    where that moment does not come.
    """
    if unknown := set(only) - set(ROADS):
        raise UsageError(f"There is no road {', '.join(sorted(unknown))}.", f"choose among: {', '.join(ROADS)}")
    return repeated(lambda: _isolation(target, only or ROADS, among), until, seconds)


def _isolation(target: Target, roads: Collection[str], among: Collection[str]) -> Report:
    began, report = time.monotonic(), Report("isolation", target.engine)
    add(report, target, roads, among)
    report.seconds = time.monotonic() - began
    return report


def add(report: Report, target: Target, roads: Collection[str], among: Collection[str] = ()) -> None:
    """Adds a check for each pair of tenants and road, frames["isolation"] with every attempt, figures["isolation"]."""
    since = time.time() - 1
    with Estate(target, among) as estate:
        rows = [row for row in every(estate) if row.road in roads]
        if "metrics" in roads:
            estate.await_series()
        tried = list(_tried(estate, rows))
        answered = [key for _, _, _, one in tried for key in one.outcome.request_ids[-1:]]
        index = evidence.indexed(evidence.read(target, since, answered))
        found = [_found(estate, index, *one) for one in tried]
    _checked(report, found)
    report.frames["isolation"] = frame(found)
    report.figures["isolation"] = figures.matrix(report.frames["isolation"])


def every(estate: Estate) -> Iterator[Row]:
    for road in (network, gateway, management, metrics, web, processes):
        yield from road.ROWS
    yield from kubernetes.rows(estate)


def _tried(estate: Estate, rows: Sequence[Row]) -> Iterator[tuple[str, str, Row, Tried]]:
    """The others first: what one of them broke, the owner's control finds broken."""
    for owner in estate.models:
        for row in rows:
            attempts = {a: row.attempt(estate, a, owner) for a in estate.namespaces if a != owner}
            outcomes = {actor: sent(estate, one.send) for actor, one in attempts.items()}
            control = sent(estate, row.asked_by_owner(owner))
            for actor, outcome in outcomes.items():
                yield actor, owner, row, Tried(attempts[actor], outcome, control)


def _found(
    estate: Estate, index: dict[str, list[evidence.Line]], actor: str, owner: str, row: Row, tried: Tried
) -> Found:
    seen = judged(tried, evidence.about(index, tried.outcome.request_ids), "")
    why = "" if seen.held else row.open_where(estate)
    return Found(actor, owner, row, tried, seen, DENIED if seen.held else NOT_ISOLATED if why else _failed(tried), why)


def _failed(tried: Tried) -> str:
    refused = tried.outcome.status in tried.attack.statuses
    return UNPROVEN if refused and tried.control.status not in tried.attack.passes else OPEN


def _checked(report: Report, found: Sequence[Found]) -> None:
    """A row that this platform cannot isolate is no check: it is shown, and has to be one that is known."""
    for actor, owner in dict.fromkeys((one.actor, one.owner) for one in found):
        for road in ROADS:
            mine = [one for one in found if (one.actor, one.owner, one.row.road) == (actor, owner, road)]
            held = [one for one in mine if one.verdict == DENIED]
            wrong = [one for one in mine if one.verdict in (OPEN, UNPROVEN)]
            if not held and not wrong:
                continue
            failed = Counter(one.verdict for one in wrong)
            observed = f"{len(held)} denied, {len(held)} controls passed" + "".join(
                f", {n} {v}" for v, n in failed.items()
            )
            expected = f"{len(held) + len(wrong)} denied, each with its control"
            evidence_ = f"{wrong[0].row.what}: {wrong[0].seen.observed}" if wrong else held[0].seen.evidence
            report.add(f"{actor} → {owner} by {road}", expected, observed, not wrong, evidence_)


def frame(found: Sequence[Found]) -> pandas.DataFrame:
    """One row per attempt: actor, owner, road, what, verdict, expected, observed, control, evidence, why."""
    import pandas

    rows = [
        {
            "actor": one.actor,
            "owner": one.owner,
            "road": one.row.road,
            "what": one.row.what,
            "verdict": one.verdict,
            "expected": one.tried.attack.expected,
            "observed": one.seen.observed,
            "control": one.tried.control.status,
            "evidence": one.seen.evidence,
            "why": one.why,
        }
        for one in found
    ]
    return pandas.DataFrame(rows)
