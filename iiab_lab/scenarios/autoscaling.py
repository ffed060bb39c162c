"""From zero to N and back: one request, a hundred at once, a ramp, a burst, and nothing; each claim counted.

The model waits 50 ms per prediction and takes two at a time, so what a Pod carries is arithmetic: 40 requests a second.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable

from ..assets import manifests
from ..kube import documents
from ..plots.autoscaling import panels
from ..plots.prometheus import Prometheus
from ..plots.stack import stacked
from ..target import Target
from ..traffic.client import InferenceClient
from ..traffic.identity import token
from ..traffic.load.handle import Load, load
from ..traffic.sending import at_once
from .report import Report
from .served import Served

MODEL, TENANT, MANIFEST = "elastic-iris", "tenant-a", "scenarios/autoscaling.yaml"
FLOWER = [[5.1, 3.5, 1.4, 0.2]]
MOST, AT_ONCE = 5, 2  # maxReplicas, containerConcurrency
_MINE = f'k8s_namespace_name="{TENANT}",kn_service_name="{MODEL}-predictor"'
_RAMP, _BURST, _CALM = "ramp:5-100:8s", "burst=constant:160:6s", "calm=constant:20:4s"


def run(target: Target) -> Report:
    """Sends about 1,600 requests to the platform's own edge, in three quarters of a minute."""
    began, report = time.monotonic(), Report("autoscaling", target.engine)
    model, client = deployed(target), InferenceClient(target, token(target, TENANT))
    since = time.time()
    _cold(report, model, client)
    _crowd(report, model, client)
    _wave(report, model, client)
    _zero(report, model)
    _told(report, Prometheus(target), since)
    report.seconds = time.monotonic() - began
    return report


def deployed(target: Target) -> Served:
    """The scenario's model, applied and ready; as its manifest says, whatever was tried with it before."""
    for _, obj in documents(manifests() / MANIFEST):
        target.kube.apply(obj)
    return Served(target, MODEL, TENANT).await_ready()


def _cold(report: Report, model: Served, client: InferenceClient) -> None:
    model.await_pods(0)
    report.expect("Pods before the first request", 0, lambda: len(model.pods))
    first = client.predict(MODEL, FLOWER)
    report.add("one request into zero", 200, first.status, first.status == 200, f"{first.seconds * 1e3:.0f} ms")
    report.expect("Pods after it", 1, lambda: model.ready)
    report.expect("the Open Inference Protocol answers too", 200, lambda: client.infer(MODEL, FLOWER).status)


def _crowd(report: Report, model: Served, client: InferenceClient) -> None:
    model.await_pods(0)
    answers = at_once(lambda: client.predict(MODEL, FLOWER), 100)
    statuses = Counter(answer.status for answer in answers)
    slowest = max(answer.seconds for answer in answers)
    held = dict(statuses) == {200: 100}
    report.add("a hundred into zero", {200: 100}, dict(statuses), held, f"the last after {slowest * 1e3:.0f} ms")


def _wave(report: Report, model: Served, client: InferenceClient) -> None:
    with load(client, MODEL, f"{_RAMP},{_BURST},{_CALM}") as run:
        most = _highest(run, lambda: model.ready)
        run.wait()
    report.frames["phases"], report.frames["seconds"] = run.phases(), run.seconds()
    failed = int(report.frames["phases"]["failed"].sum())
    report.add("requests that failed while it grew and shrank", 0, failed, run.passed, "; ".join(run.warnings()))
    report.add("ready Pods at the height of it", MOST, most, most == MOST, f"maxReplicas: {MOST}")


def _highest(run: Load, look: Callable[[], int]) -> int:
    highest = 0
    while run.running:
        highest = max(highest, look())
    return highest


def _zero(report: Report, model: Served) -> None:
    seconds = model.await_pods(0)
    report.add("Pods, once nobody asks", 0, len(model.pods), not model.pods, f"{seconds:.0f} s after the last request")
    conditions = model.conditions()
    report.expect("the revision is still ready", "True", lambda: conditions["Ready"])
    report.expect("… and not active", "False NoTraffic", lambda: conditions["Active"])


def _told(report: Report, prometheus: Prometheus, since: float) -> None:
    """What Knative's autoscaler told Prometheus meanwhile."""
    span = f"[{int(time.time() - since) + 1}s]"
    panic = f"max(max_over_time(kn_revision_panic_mode{{{_MINE}}}{span}))"
    report.expect("the burst was met with panic", 1.0, lambda: prometheus.value(panic), panic)
    _bounded(report, prometheus, span)
    desired = f"max(max_over_time(kn_revision_pods_desired{{{_MINE}}}{span}))"
    seen = prometheus.value(desired)
    report.add("desired Pods never above maxReplicas", f"≤ {MOST}", f"{seen:.0f}", 0 < seen <= MOST, desired)
    rows = panels(MODEL, TENANT, minutes=(time.time() - since) / 60)
    frames = [prometheus.range(panel.query, panel.minutes) for panel in rows]
    report.frames |= {panel.title: frame for panel, frame in zip(rows, frames, strict=True)}
    report.figures["course"] = stacked("From zero to five Pods and back", rows, frames)


def _bounded(report: Report, prometheus: Prometheus, span: str) -> None:
    """containerConcurrency, as the proxies before the Pods saw it, second by second. Knative's own queue-proxy has no such gauge."""
    at_once = f'envoy_cluster_upstream_cx_active{{envoy_cluster_name="inbound|8080||",pod=~"{MODEL}-.*"}}'
    seen = prometheus.instant(f"max(max_over_time({at_once}{span}))")
    if not seen.empty:
        most = seen["value"].max()
        report.add(
            "requests that a Pod worked on at a time", f"≤ {AT_ONCE}", f"{most:.0f}", 0 < most <= AT_ONCE, at_once
        )
