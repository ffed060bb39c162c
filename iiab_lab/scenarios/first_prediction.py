"""The first request through the whole platform: what it answers, what it refuses, and what Prometheus says of it."""

from __future__ import annotations

import time
from functools import partial
from typing import Any

import jwt

from ..plots.figure import Panel, still
from ..plots.prometheus import Prometheus
from ..target import Target
from ..traffic.client import InferenceClient
from ..traffic.identity import claims, token
from . import hops
from .report import Report

MODEL, TENANT, OTHER = "sklearn-iris", "tenant-a", "tenant-b"
# One flower of each species, as Fisher measured it: sepal length and width, petal length and width in cm.
FLOWERS = {0: [5.1, 3.5, 1.4, 0.2], 1: [5.9, 3.0, 4.2, 1.5], 2: [6.5, 3.0, 5.5, 1.8]}
COUNTER = f'request_predict_seconds_count{{model_name="{MODEL}"}}'
PREDICTIONS = f"sum({COUNTER})"
# What tier 2 sent: Prometheus's own scrapes pass through the sidecar as well.
_FROM_TIER_2 = (
    f'reporter="destination",destination_service_name=~"{MODEL}.*",source_principal=~".*istio-ingressgateway"'
)
_MESH = "spiffe://cluster.local/"
# A model that just started is called by the activator until the autoscaler has seen that its Pods keep up.
_CALLERS = ("ns/istio-system/sa/istio-ingressgateway", "ns/knative-serving/sa/activator")
_RATE = f"sum by (response_code) (rate(istio_requests_total{{{_FROM_TIER_2}}}[10s]))"


def run(target: Target, requests: int = 20) -> Report:
    """Sends `requests` predictions besides the single checks; a bounded count, to the platform's own edge."""
    began, report = time.monotonic(), Report("first-prediction", target.engine)
    prometheus = Prometheus(target)
    genuine = token(target, TENANT)
    _answers(report, target, genuine)
    _refusals(report, target, genuine)
    _hops(report, target, genuine)
    before = prometheus.settled(PREDICTIONS, COUNTER)
    sent = _repeat(report, target, genuine, requests)
    counted = prometheus.settled(PREDICTIONS, COUNTER) - before
    # Others may use the model at the same time, so more is no failure.
    report.add("Prometheus counts every prediction", f"≥ {sent}", f"{counted:.0f}", counted >= sent, PREDICTIONS)
    report.frames["requests"] = prometheus.range(_RATE, minutes=2)
    panel = Panel("Requests at the model, by status", _RATE, "requests per second")
    report.figures["requests"] = still(panel, report.frames["requests"])
    report.seconds = time.monotonic() - began
    return report


def _answers(report: Report, target: Target, genuine: str) -> None:
    plain, secure = InferenceClient(target, genuine), InferenceClient(target, genuine, tls=True)
    said = claims(genuine)
    report.expect(
        "the token is the tenant's", TENANT, lambda: said["tenant"], f"iss {said['iss']}, scope {said['scope']}"
    )
    for species, flower in FLOWERS.items():
        report.expect(f"{flower} is species {species}", (200, species), partial(_species, plain, flower))
    report.expect("the same over HTTPS, verified", (200, 0), lambda: _species(secure, FLOWERS[0]), f"CA {target.ca}")
    report.expect("the same by the V2 protocol", 200, lambda: plain.infer(MODEL, [FLOWERS[0]]).status)


def _species(client: InferenceClient, flower: list[float]) -> tuple[int, Any]:
    answer = client.predict(MODEL, [flower], {"x-tenant": TENANT})
    return answer.status, answer.body["predictions"][0] if answer.status == 200 else answer.body


def _refusals(report: Report, target: Target, genuine: str) -> None:
    """Each beside the genuine request that only differs in what is wrong."""
    foreign = jwt.encode(claims(genuine), "x" * 32, "HS256")
    cases: tuple[tuple[str, int, str, dict[str, str]], ...] = (
        ("no token", 401, "", {}),
        ("garbage for a token", 401, "garbage", {}),
        ("a token signed by somebody else", 401, foreign, {}),
        (f"{OTHER}'s token", 401, token(target, OTHER), {}),
        ("a contradicting x-tenant", 403, genuine, {"x-tenant": OTHER}),
    )
    for name, code, bearer, headers in cases:
        client = InferenceClient(target, bearer)
        answer = client.predict(MODEL, [FLOWERS[0]], headers)
        report.add(name, code, answer.status, answer.status == code, f"{answer.body}"[:80])
    client = InferenceClient(target, genuine)
    report.expect("a model that is not published", 404, lambda: client.predict("no-such-model", [FLOWERS[0]]).status)
    report.expect(
        "a body that is no JSON",
        400,
        lambda: client.request("POST", f"/v1/models/{MODEL}:predict", data="{").status,
    )


def _hops(report: Report, target: Target, genuine: str) -> None:
    answer = InferenceClient(target, genuine).predict(MODEL, [FLOWERS[0]])
    found = hops.trace(target, answer.request_id)
    expected = " → ".join(hops.HOPS)
    seen = " → ".join(hop for hop in hops.HOPS if found.get(hop, {}).get("code") == 200)
    report.add("one request id on every hop", expected, seen, seen == expected, answer.request_id)
    peer = str(found.get("sidecar", {}).get("peer"))
    report.add("the sidecar knows who calls", " or ".join(_CALLERS), peer, peer.removeprefix(_MESH) in _CALLERS)


def _repeat(report: Report, target: Target, genuine: str, requests: int) -> int:
    client = InferenceClient(target, genuine)
    answers = [client.predict(MODEL, [FLOWERS[index % 3]]).status for index in range(requests)]
    report.add(
        f"{requests} predictions in a row",
        f"{requests} × 200",
        f"{answers.count(200)} × 200",
        answers.count(200) == requests,
    )
    return answers.count(200)
