"""A better version takes over by itself and loses no request; a bad one goes by itself, and few have met it.

Under 100 requests a second of flowers that no version has seen. The truth about each comes two seconds after the answer.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, NamedTuple

from scipy.stats import binom

from ..assets import manifests
from ..errors import NotReady
from ..kube import documents
from ..models import iris
from ..plots.rollout import course
from ..rollout.driver import PROMOTED, ROLLED_BACK, Rollout, rollout
from ..rollout.share import shares
from ..rollout.steps import STEPS, Step
from ..target import Target
from ..traffic.client import InferenceClient
from ..traffic.feedback import Feedback
from ..traffic.identity import token
from ..traffic.load.call import Call
from ..traffic.load.handle import Load
from ..traffic.load.wire import STOPPED
from .report import Report
from .served import Served

if TYPE_CHECKING:
    import pandas

MODEL, TENANT, MANIFEST = "iris", "tenant-a", "scenarios/release.yaml"
V1, V2, V3 = (f"pvc://models/iris/v{number}" for number in (1, 2, 3))
_RATE, _MOST = 200, "5m"  # how long a release may take; it is stopped when it is over
_RARE = 1e-6  # how seldom a check may fail by chance
_AFTER = 1.5  # seconds of load after the release, when one version has everything


class Release(NamedTuple):
    """What the driver did, and what the clients saw: a row per request, see results.requests."""

    rollout: Rollout
    requests: pandas.DataFrame

    @property
    def name(self) -> str:
        """v2 of pvc://models/iris/v2."""
        return str(self.rollout.candidate).rpartition("/")[2]


def run(target: Target, steps: Sequence[Step] = STEPS) -> Report:
    """Sends about 4,000 requests to the platform's own edge, in half a minute."""
    began, report = time.monotonic(), Report("canary", target.engine)
    removed(target)
    try:
        deployed(target)
        good = released(target, V2, steps, _RATE)
        _promoted(report, good)
        deployed(target)
        bad = released(target, V3, steps, _RATE)
        _taken_back(report, bad)
    finally:
        removed(target)
    for release in (good, bad):
        report.frames[release.name] = release.rollout.frame()
        report.figures[release.name] = course(release.rollout)
    report.seconds = time.monotonic() - began
    return report


def deployed(target: Target) -> Served:
    """The model's first version with all of the traffic, whatever was there before."""
    for _, obj in documents(manifests() / MANIFEST):
        target.kube.apply(obj)
    return Served(target, MODEL, TENANT).change(model={"storageUri": V1}, canaryTrafficPercent=None)


def removed(target: Target, seconds: float = 60) -> None:
    """The model and its routes, and nothing is left of them."""
    for _, obj in documents(manifests() / MANIFEST):
        target.kube.delete(obj["apiVersion"], obj["kind"], obj["metadata"]["name"], TENANT)
    deadline, label = time.monotonic() + seconds, f"serving.kserve.io/inferenceservice={MODEL}"
    while target.kube.list("v1", "Pod", TENANT, label):
        if time.monotonic() > deadline:
            raise NotReady(f"Pods of {MODEL} are still there.", f"look at: iiab kubectl get pods -n {TENANT}")
        time.sleep(0.1)


def released(target: Target, storage: str, steps: Sequence[Step] = STEPS, rate: int = 100) -> Release:
    """One version, released under load, requests a second, and feedback."""
    client, parts = InferenceClient(target, token(target, TENANT)), iris.split()
    call = Call.each(client, MODEL, parts.held_out.tolist())
    with ExitStack() as stack:
        sending = stack.enter_context(Load(call, f"constant:{rate}:{_MOST}"))
        stack.enter_context(Feedback(client, MODEL, sending, parts.truth.tolist()))
        done = rollout(target, MODEL, storage, steps, namespace=TENANT)
        time.sleep(_AFTER)
    requests = sending.frame()
    return Release(done, requests[requests["error"] != STOPPED])


def _promoted(report: Report, release: Release) -> None:
    done, requests = release
    report.add("v1 → v2 ends by itself", PROMOTED, done.outcome, done.outcome == PROMOTED, _course(done))
    _steps(report, release)
    lost = int((requests["status"] != 200).sum())
    report.add(f"{release.name}: requests lost meanwhile", 0, lost, lost == 0, f"of {len(requests):,}")
    _all_by(report, release, done.revision)


def _taken_back(report: Report, release: Release) -> None:
    done, requests = release
    report.add("v1 → v3 ends by itself", ROLLED_BACK, done.outcome, done.outcome == ROLLED_BACK, _course(done))
    _steps(report, release)
    _exposed(report, release)
    failed = requests[requests["status"] != 200]
    others = int((failed["revision"] != done.revision).sum())
    report.add(f"{release.name}: requests that failed by another", 0, others, others == 0, f"{len(failed)} by it")
    _all_by(report, release, done.baseline)


def _exposed(report: Report, release: Release) -> None:
    """No more than the share of the largest step that it came to, from the moment it had any until it had none."""
    done, requests = release
    if not done.records:
        report.add(f"{release.name}: requests that met it", "some", "it had no share at all", False, done.why)
        return
    since = done.records[0].time - done.records[0].seconds
    during = _between(requests, since, done.ended)
    met, most = int((during["revision"] == done.revision).sum()), max(record.step.percent for record in done.records)
    allowed = int(binom.isf(_RARE, len(during), most / 100))
    why = f"{most} % of {len(during)} requests in {done.ended - since:.1f} s, and what chance may add"
    report.add(f"{release.name}: requests that met it", f"≤ {allowed}", met, 0 < met <= allowed, why)


def _steps(report: Report, release: Release) -> None:
    """What the routes said, what came of it, and why the step ended as it did."""
    done, requests = release
    for number, weights in enumerate(done.weights, 1):
        step = f"{release.name}, step {number}"
        looks = [record for record in done.records if record.number == number]
        last, percent = looks[-1], looks[-1].step.percent
        wanted = {done.revision: percent, done.baseline: 100 - percent}
        where = f"VirtualService {MODEL}-predictor-ingress"
        report.add(f"{step}: weights of the routes", wanted, weights, weights == wanted, where)
        _split(report, step, percent, done.revision, _between(requests, looks[0].time, last.time))
        wise = str(last.decision) in ("promote", "roll back")
        took = f"{last.decision} after {last.seconds:.1f} s, {len(looks)} looks"
        report.add(f"{step}: a decision with its reason", "promote or roll back", took, wise, last.decision.why)


def _split(report: Report, step: str, percent: int, revision: str, requests: pandas.DataFrame) -> None:
    """Requests draw their version independently of each other, so the number of the candidate's is binomial."""
    found, total = shares(requests, {revision: percent}).loc[revision], len(requests)
    seen, chance = f"{found['requests']:.0f} of {total} ({found['share']:.1f} %)", found["p_value"]
    holds = bool(total and chance > _RARE)
    report.add(f"{step}: the candidate's share", f"{percent} %", seen, holds, f"exact test: p = {chance:.2g}")


def _all_by(report: Report, release: Release, revision: str) -> None:
    done, requests = release
    after = _between(requests, done.ended + 0.2, done.ended + 60)
    answered = sorted(set(after["revision"]))
    report.add(
        f"{release.name}: who answers afterwards",
        [revision],
        answered,
        answered == [revision],
        f"{len(after)} requests",
    )


def _between(requests: pandas.DataFrame, since: float, until: float) -> pandas.DataFrame:
    """Those that were due between two moments, in seconds since the epoch."""
    import pandas

    first, last = pandas.to_datetime([since, until], unit="s", utc=True)
    return requests[(requests["time"] >= first) & (requests["time"] <= last)]


def _course(done: Rollout) -> str:
    return f"{done.ended - done.began:.1f} s; slow from {done.limit or 0:g} ms; {done.why}"
