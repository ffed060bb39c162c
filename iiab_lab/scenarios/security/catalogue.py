"""The catalogue → a Report: each attack and its control are sent, and a row tells who stopped it and what proves that."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from typing import NamedTuple

from ...errors import LabError, UsageError
from ...plots.prometheus import Prometheus
from ...target import Target
from ..repeat import repeated
from ..report import Report
from . import evidence, figures
from .attack import Attack, Outcome, Send
from .stage import CONTAINERS, Stage

KINDS = (
    "jwt",
    "headers",
    "paths",
    "tenancy",
    "bypass",
    "smuggling",
    "resources",
    "ssrf",
    "policies",
    "pickles",
    "pods",
)
_AT_ONCE = 8
_ESSENCE = 110
AUDITED = "audit: requests of this run that the stream holds"
_SHARED = "a Pod here has a machine's files, programs and loopback to itself"


class Tried(NamedTuple):
    attack: Attack
    outcome: Outcome
    control: Outcome

    @property
    def request_ids(self) -> tuple[str, ...]:
        return self.outcome.request_ids + self.control.request_ids


class Verdict(NamedTuple):
    """`observed`: the status, the layer that decided, and what is wrong beside them."""

    held: bool
    observed: str
    evidence: str


def attacks(only: Collection[str] = ()) -> list[Attack]:
    """All, or those of some kinds or names (`jwt`, `jwt: alg-none`); raises UsageError for what there is not."""
    listed: list[Attack] = [one for kind in KINDS for one in import_module(f".attacks.{kind}", __package__).ATTACKS]
    if unknown := set(only) - set(KINDS) - {one.name for one in listed}:
        raise UsageError(f"There is no attack {', '.join(sorted(unknown))}.", f"choose kinds: {', '.join(KINDS)}")
    return [one for one in listed if not only or one.kind in only or one.name in only]


def run(target: Target, only: Collection[str] = ()) -> Report:
    """Sends some 400 requests to the platform's own doors, one after the other but for the slow ones; leaves nothing.

    Where each Pod is a container, what goes for what processes share is not tried: the Report's `left_out` says so. After the
    whole of it, the audit stream is asked for every request that a hop has answered.
    """
    began, since, report = time.monotonic(), time.time() - 1, Report("security", target.engine)
    with Stage(target) as stage:
        listed = attacks(only)
        report.left_out = {one.name: _SHARED for one in listed if one.shared and stage.confinement == CONTAINERS}
        chosen = [one for one in listed if one.name not in report.left_out]
        counters = evidence.Counters(Prometheus(target), [one.metric for one in chosen if one.metric])
        tried = _tried(stage, chosen)
        answered = [key for one in tried for key in one.outcome.request_ids[-1:]]
        index = evidence.indexed(evidence.read(target, since, answered))
    grown = counters.grown()
    for one in tried:
        _row(report, one, evidence.about(index, one.outcome.request_ids), _proof(one.attack, tried, grown))
    if not only:
        _audited(report, target, since, index.keys() & {key for one in tried for key in one.request_ids})
    figures.draw(report, tried, target, (time.time() - since) / 60)
    report.seconds = time.monotonic() - began
    return report


def attack(target: Target, only: Collection[str], until: str = "", seconds: float = 10) -> Report:
    """`run`, of kinds or names; with `until` ("passed" or "failed"), again until every row has: what was applied is in force a
    moment later. Raises CheckFailed where that moment does not come."""
    return repeated(lambda: run(target, only), until, seconds)


def _audited(report: Report, target: Target, since: float, request_ids: Collection[str]) -> None:
    """What a hop answered is to be in the audit stream, request for request."""
    report.expect(AUDITED, len(request_ids), lambda: evidence.written(target, since, request_ids), "iiab audit")


def _tried(stage: Stage, chosen: Sequence[Attack]) -> list[Tried]:
    """In the catalogue's order, which matters: the last of the owner's controls take the victim away."""
    with ThreadPoolExecutor(_AT_ONCE) as crowd:
        beside = {one.name: crowd.submit(_try, stage, one) for one in chosen if one.slow}
        done = {one.name: _try(stage, one) for one in chosen if not one.slow}
        done |= {name: future.result() for name, future in beside.items()}
    return [done[one.name] for one in chosen]


def _try(stage: Stage, one: Attack) -> Tried:
    return Tried(one, sent(stage, one.send), sent(stage, one.control))


def sent(stage: Stage, send: Send) -> Outcome:
    """What cannot be sent at all is an outcome too: it fails its row and no other."""
    try:
        return send(stage)
    except LabError as error:
        return Outcome("error", error.message)


def _proof(attack: Attack, tried: Sequence[Tried], grown: dict[str, float]) -> str:
    """Where its metric grew by at least as much as there were such attacks, the metric; "" otherwise."""
    if not attack.metric:
        return ""
    many = Counter(one.attack.metric for one in tried)[attack.metric]
    return f"{attack.metric} +{grown[attack.metric]:.0f}, {many} such" if grown[attack.metric] >= many else ""


def _row(report: Report, one: Tried, lines: Sequence[evidence.Line], metric: str) -> None:
    verdict = judged(one, lines, metric)
    report.add(one.attack.name, one.attack.expected, verdict.observed, verdict.held, verdict.evidence)


def judged(one: Tried, lines: Sequence[evidence.Line], metric: str) -> Verdict:
    """`lines` are those of the hops, `metric` what grew where there are none."""
    attack, outcome = one.attack, one.outcome
    layer, essence = evidence.decided(lines)
    if outcome.layer:
        layer, essence = outcome.layer, f"{outcome.layer}: {outcome.said}"
    elif not layer and metric:
        layer, essence = attack.layers[0], metric
    told = outcome.said + "".join(str(dict(line.fields)) for line in lines)
    wrong = [*_leaks(attack, told), *_uncontrolled(attack, one.control)]
    held = outcome.status in attack.statuses and layer in attack.layers and not wrong
    observed = f"{outcome.status} @ {layer or 'nobody told'}" + "".join(f"; {why}" for why in wrong)
    return Verdict(held, observed, f"{essence or outcome.said}"[:_ESSENCE])


def _leaks(attack: Attack, told: str) -> list[str]:
    said = [] if attack.says in told else [f"nothing says {attack.says!r}"]
    return said + ([f"{attack.hides!r} is told"] if attack.hides and attack.hides in told else [])


def _uncontrolled(attack: Attack, control: Outcome) -> list[str]:
    return [] if control.status in attack.passes else [f"the control got {control.status}: {control.said[:60]}"]
