"""tenant-b floods with ten times its limit while tenant-a sends a steady load → tenant-a's latency, with the policies and without.

Both have models of their own; what they share is the machine and both tiers, so tenant-b sends large bodies: those keep the
proxies busy. The limit is an eighth of what it gets through when it is alone, so ten times the limit is more than there is.
"""

from __future__ import annotations

import contextlib
import math
import time
from typing import TYPE_CHECKING, NamedTuple

from ...assets import manifests
from ...errors import NotReady, TrafficError
from ...kube import Object, documents
from ...target import Target
from ...traffic.client import InferenceClient, predict_call
from ...traffic.identity import token
from ...traffic.load.call import SETOSA, Call
from ...traffic.load.handle import Load
from ..report import Report
from ..served import Served
from . import figures

if TYPE_CHECKING:
    import pandas

VICTIM, NOISY = "tenant-a", "tenant-b"
MODEL, OWN = "neighbour", "sklearn-iris"
NEIGHBOUR, LIMITS = "scenarios/tenancy/neighbour.yaml", "scenarios/tenancy/limits.yaml"
STEADY, TIMES = 50, 10  # requests a second of tenant-a; how often tenant-b's limit it sends
BODY = 400  # KiB of a prediction of tenant-b's
_PART, _LEAST = 8, 10
_CAPACITY = "closed:16:2s"
_HEADER = "x-ratelimit-limit"
ALONE, LIMITED, FREE = "alone", "flood, with the policies", "flood, without"
_REFUSED = (429, 503)
_LOOK, _QUIET, _PATIENCE = 0.05, 0.25, 60.0
_WARM = 1.0  # seconds of flood before anything is measured


class Round(NamedTuple):
    """One row per request of each: see results.requests. `seconds` is how long both were sending."""

    steady: pandas.DataFrame
    flood: pandas.DataFrame
    seconds: float

    @property
    def failed(self) -> int:
        """Of tenant-a's."""
        return int((self.steady["status"] != 200).sum())

    @property
    def refused(self) -> int:
        """Of tenant-b's, at the edge."""
        return int(self.flood["status"].isin(_REFUSED).sum())

    @property
    def passed(self) -> int:
        return int((self.flood["status"] == 200).sum())

    def latency(self, share: float = 0.5) -> float:
        """A quantile of tenant-a's, in milliseconds from when each request was due."""
        return float(self.steady["latency_ms"].quantile(share))


class Neighbours:
    """`with Neighbours(target) as both:` tenant-b has moved in; it is gone when the block is left."""

    def __init__(self, target: Target) -> None:
        self.target, self._kube = target, target.kube
        self._steady, self._noisy = (InferenceClient(target, token(target, name)) for name in (VICTIM, NOISY))
        self.limit = 0

    def __enter__(self) -> Neighbours:
        self._removed(LIMITS)
        self._applied(NEIGHBOUR)
        Served(self.target, MODEL, NOISY).await_ready().await_pods(2)
        self._noisy.await_answer(MODEL, SETOSA)
        served = Load(self._large, _CAPACITY).wait().phases()["rate"].iloc[0]
        self.limit = max(_LEAST, round(float(served) / _PART))
        return self

    def __exit__(self, *_: object) -> None:
        for manifest in (LIMITS, NEIGHBOUR):
            self._removed(manifest)

    def limited(self, wanted: bool) -> None:
        """The policies at the edge, in force or gone."""
        if wanted:
            self._kube.apply(policy(self.limit))
        else:
            self._removed(LIMITS)
        deadline, told = time.monotonic() + _PATIENCE, f"{self.limit}" if wanted else ""
        while self._noisy.predict(MODEL, SETOSA).headers.get(_HEADER, "").partition(",")[0] != told:
            if time.monotonic() > deadline:
                raise NotReady(
                    f"The limits of {NOISY} are not as applied.", f"look at: iiab kubectl get btp -n {NOISY}"
                )
            time.sleep(_LOOK)

    def round(self, seconds: float, flood: bool = True) -> Round:
        """Both at once; without `flood`, tenant-b sends one prediction a second."""
        self._settled()
        rate = self.limit * TIMES if flood else 1
        with Load(self._large, f"constant:{rate}:{seconds + _WARM}s") as sent:
            time.sleep(_WARM)
            steady = Load(Call.predict(self._steady, OWN), f"constant:{STEADY}:{seconds}s").wait()
        return Round(steady.frame(), sent.frame(), seconds + _WARM)

    @property
    def _large(self) -> Call:
        """A flower, and what the model does not look at."""
        path, body = predict_call(MODEL, SETOSA)
        return Call.of(self._noisy, path, body | {"picture": "x" * (BODY << 10)})

    def _settled(self) -> None:
        """Until what the round before left in queues is worked off: a prediction of one flower takes no time again."""
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            with contextlib.suppress(TrafficError):
                answer = self._noisy.predict(MODEL, SETOSA)
                if answer.status == 200 and answer.seconds < _QUIET:
                    return
            time.sleep(_QUIET)
        raise NotReady(f"{MODEL} is still busy.", f"look at: iiab kubectl get pods -n {NOISY}")

    def _applied(self, manifest: str) -> None:
        for _, obj in documents(manifests() / manifest):
            self._kube.apply(obj)

    def _removed(self, manifest: str) -> None:
        for _, obj in documents(manifests() / manifest):
            meta = obj["metadata"]
            self._kube.delete(obj["apiVersion"], obj["kind"], meta["name"], meta["namespace"])


def add(report: Report, target: Target, seconds: float = 5.0) -> None:
    """Adds the counts as checks; the latencies, which are this machine's too, as frames["neighbour"] and figures["neighbour"].
    `make bench` measures them by turns."""
    with Neighbours(target) as both:
        rounds = {ALONE: both.round(seconds, flood=False), FREE: both.round(seconds)}
        both.limited(True)
        rounds[LIMITED] = both.round(seconds)
    _checked(report, rounds, both.limit)
    report.frames["neighbour"] = frame(rounds)
    report.figures["neighbour"] = figures.neighbour({name: one.steady["latency_ms"] for name, one in rounds.items()})


def _checked(report: Report, rounds: dict[str, Round], limit: int) -> None:
    limited = rounds[LIMITED]
    sent, most = len(limited.flood), limit * (math.ceil(limited.seconds) + 2)
    flood = f"{sent} of {NOISY} in {limited.seconds:.0f} s, {TIMES} times its limit of {limit} a second"
    report.add(f"{VICTIM}'s failures in the flood, with the policies", 0, limited.failed, not limited.failed, flood)
    # A bucket that is full when the flood begins, and refilled each second.
    report.add(f"{NOISY}'s that pass", f"≤ {most}", limited.passed, 0 < limited.passed <= most, flood)
    held = limited.refused == sent - limited.passed
    report.add(f"{NOISY}'s that are refused", sent - limited.passed, limited.refused, held, _statuses(limited))


def _statuses(one: Round) -> str:
    return f"answers: {one.flood['status'].value_counts().to_dict()}"


def frame(rounds: dict[str, Round]) -> pandas.DataFrame:
    """One row per round: tenant-a's requests, failures, p50, p95, p99 in ms; tenant-b's requests, passed, refused."""
    import pandas

    rows = {
        name: {
            "requests": len(one.steady),
            "failed": one.failed,
            **{f"p{int(100 * share)}_ms": one.latency(share) for share in (0.5, 0.95, 0.99)},
            "of tenant-b": len(one.flood),
            "passed": one.passed,
            "refused": one.refused,
        }
        for name, one in rounds.items()
    }
    return pandas.DataFrame.from_dict(rows, orient="index")


def policy(limit: int) -> Object:
    """The manifest's, with this limit of requests a second."""
    ((_, found),) = documents(manifests() / LIMITS)
    found["spec"]["rateLimit"]["local"]["rules"][0]["limit"]["requests"] = limit
    return found
