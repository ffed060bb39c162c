"""A model is published, called, limited, its limit raised, its key rotated under load, and taken back: each claim counted."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from functools import partial

from ..errors import ApiError
from ..plots.figure import Panel, still
from ..plots.prometheus import Prometheus
from ..target import Target
from ..traffic.client import InferenceClient
from ..traffic.identity import token
from ..traffic.management import Management, PublishedModel
from .report import Report

MODEL, TENANT, OTHER = "published-iris", "tenant-a", "tenant-b"
FLOWER = [[5.1, 3.5, 1.4, 0.2]]
STORAGE = "pvc://models/sklearn-iris"
HOST, PATH = "models.example.com", "/iris"


def hits(model: str, tenant: str = TENANT) -> str:
    """PromQL: what the rate limit service let pass and what it refused, a second, by key and by token together."""
    asked, refused = (
        f"sum(rate(ratelimit_service_rate_limit_{name}_total{{{_scope(model, tenant)}}}[5s]))"
        for name in ("total_hits", "over_limit")
    )
    return (
        f'label_replace({asked} - ({refused} or vector(0)), "answer", "passed", "", "") or '
        f'label_replace({refused}, "answer", "429", "", "")'
    )


def _scope(model: str, tenant: str) -> str:
    return f'key1=~"httproute/envoy-gateway-system/published-model-{tenant}-{model}(-jwt)?",key2="rule-0-match-0"'


def run(target: Target, minute: int = 60, burst: int = 10) -> Report:
    """Sends about 4 × (minute + burst) requests, to the platform's own edge."""
    began, report = time.monotonic(), Report("publishing", target.engine)
    mine = Management(target, TENANT)
    mine.remove(MODEL)
    try:
        published = _published(report, mine, minute, burst)
        _doors(report, target, mine, published)
        _limits(report, target, mine, published, minute + burst)
        _rotation(report, mine, published)
        _taken_back(report, mine, published)
    finally:
        mine.remove(MODEL)
    _counted(report, Prometheus(target), minute + burst)
    report.seconds = time.monotonic() - began
    return report


def _published(report: Report, mine: Management, minute: int, burst: int) -> PublishedModel:
    mine.create(MODEL, STORAGE)
    mine.await_ready(MODEL)
    limits = {"requestsPerMinute": minute, "requestsPerHour": 10_000, "burstLimit": burst}
    published = mine.publish(MODEL, TENANT, publicHostname=HOST, externalPath=PATH, rateLimiting=limits)
    url = f"https://{HOST}{PATH}"
    report.add("it has a public name", url, published.url, published.url == url)
    report.expect(
        "its key opens it, over verified TLS", 200, lambda: published.predict(FLOWER).status, f"CA {mine.target.ca}"
    )
    told = str(mine.call("GET", f"/api/models/{MODEL}/publish")) + str(mine.published()) + str(mine.keys(MODEL))
    report.add("no answer shows the key again", False, published.key in told, published.key not in told)
    return published


def _doors(report: Report, target: Target, mine: Management, published: PublishedModel) -> None:
    wrong = published.with_key(published.key[:-4] + "AAA=")
    report.expect("a wrong key", 401, lambda: wrong.predict(FLOWER).status)
    report.expect("no key and no token", 401, lambda: published.with_key("").predict(FLOWER).status)
    own, theirs = token(target, TENANT), token(target, OTHER)
    report.expect("the tenant's own token", 200, lambda: published.predict(FLOWER, own).status)
    report.expect("another tenant's token", 401, lambda: published.predict(FLOWER, theirs).status)
    mine.change(MODEL, authentication={"allowedTenants": [OTHER]})
    report.expect("… once it is allowed", 200, lambda: published.predict(FLOWER, theirs).status)
    report.expect("another tenant's management", 404, lambda: _code(partial(Management(target, OTHER).model, MODEL)))


def _limits(report: Report, target: Target, mine: Management, published: PublishedModel, allowed: int) -> None:
    added = mine.add_key(MODEL, "scenario")
    limited = published.with_key(added["apiKey"])
    sent = Counter(answer.status for answer in limited.at_once(FLOWER, 2 * allowed))
    report.add(
        f"of {2 * allowed} at once", {200: allowed, 429: allowed}, dict(sent), sent == {200: allowed, 429: allowed}
    )
    refused = limited.predict(FLOWER)
    known = "retry-after" in refused.headers and "x-ratelimit-remaining" in refused.headers
    report.add("a 429 says when to come back", True, known, known, f"retry-after: {refused.headers.get('retry-after')}")
    report.expect("the other key has a bucket of its own", 200, lambda: published.predict(FLOWER).status)
    mine.change(MODEL, rateLimiting={"requestsPerMinute": 10 * allowed})
    report.expect("a raised limit is in force", 200, lambda: _soon(limited))
    inside = InferenceClient(target, token(target, TENANT)).request("GET", "/v1/models/sklearn-iris")
    report.add("nobody else is limited", 200, inside.status, inside.status == 200)


def _counted(report: Report, prometheus: Prometheus, allowed: int) -> None:
    """What the rate limit service says of the key that ran into its limit."""
    over = f"ratelimit_service_rate_limit_over_limit_total{{{_scope(MODEL, TENANT)}}}"
    refused = prometheus.settled(f"sum({over})", over)
    report.add("Prometheus counts every refusal", f"≥ {allowed}", f"{refused:.0f}", refused >= allowed, over)
    query = hits(MODEL)
    report.frames["limit"] = prometheus.range(query, minutes=0.5)
    panel = Panel("One key against its limit", query, "requests per second")
    report.figures["limit"] = still(panel, report.frames["limit"])


def _rotation(report: Report, mine: Management, published: PublishedModel) -> None:
    with published.sending(FLOWER, per_second=50) as sent:
        rotated = mine.rotate_key(MODEL, mine.keys(MODEL)[0]["keyId"], overlap=60)
        fresh = published.with_key(rotated["newApiKey"])
        report.expect("the new key, at once", 200, lambda: fresh.predict(FLOWER).status)
        fresh.at_once(FLOWER, 50)
    refused = sum(count for status, count in sent.statuses.items() if status != 200)
    held = bool(sent.statuses) and not refused
    report.add("refused with the old key, while it is rotated", 0, refused, held, f"answers: {sent.statuses}")
    mine.revoke_key(MODEL, published.details["keys"][0]["keyId"])
    report.expect("the old key, once it is revoked", 401, lambda: published.predict(FLOWER).status)


def _taken_back(report: Report, mine: Management, published: PublishedModel) -> None:
    mine.unpublish(MODEL)
    left = MODEL in [one["modelName"] for one in mine.published()]
    report.add("it is published no more", False, left, not left)
    report.expect("the model itself is still there", True, lambda: mine.model(MODEL)["ready"])


def _soon(published: PublishedModel, seconds: float = 5) -> int:
    """The first status that is not 429: the limit reaches its service a moment after the route."""
    deadline = time.monotonic() + seconds
    while (status := published.predict(FLOWER).status) == 429 and time.monotonic() < deadline:
        pass
    return status


def _code(call: Callable[[], object]) -> int:
    try:
        call()
    except ApiError as error:
        return error.code
    return 200
