"""A DestinationRule → what Istio's admission webhook refuses in it.

Source: istio/istio, pkg/config/validation/validation.go.
"""

from __future__ import annotations

from ...objects.meta import Object
from . import words
from .words import Found

_LARGEST_TABLE = 5_000_011


def problems(obj: Object) -> list[str]:
    spec = obj["spec"]
    exported = words.export_to(obj["metadata"]["namespace"], spec.get("exportTo") or ())
    return [*words.domain(spec["host"]), *_policy(spec.get("trafficPolicy")), *_subsets(spec), *exported]


def _subsets(spec: Object) -> Found:
    seen: set[str] = set()
    for subset in spec.get("subsets") or ():
        name = subset["name"]
        if name in seen:
            yield f"duplicate subset names: {name}"
        seen.add(name)
        if not name:
            yield "subset name cannot be empty"
        elif not words.is_label(name):
            yield f"subset name is invalid: {name}"
        yield from words.labels(subset.get("labels") or {})
        yield from _policy(subset.get("trafficPolicy"))


def _policy(policy: Object | None) -> Found:
    if policy is None:
        return
    if not policy:
        yield "traffic policy must have at least one field"
    yield from _outliers(policy.get("outlierDetection") or {})
    yield from _pool(policy.get("connectionPool"))
    yield from _hash((policy.get("loadBalancer") or {}).get("consistentHash") or {})


def _outliers(outliers: Object) -> Found:
    for field in ("maxEjectionPercent", "minHealthPercent"):
        if not 0 <= outliers.get(field, 0) <= 100:
            yield f"percentage {outliers[field]} is not in range 0..100"


def _pool(pool: Object | None) -> Found:
    if pool is None:
        return
    if not pool:
        yield "connection pool must have at least one field"
    http, tcp = pool.get("http") or {}, pool.get("tcp") or {}
    counted = {
        "http1 max pending requests": http.get("http1MaxPendingRequests", 0),
        "http2 max requests": http.get("http2MaxRequests", 0),
        "max requests per connection": http.get("maxRequestsPerConnection", 0),
        "max retries": http.get("maxRetries", 0),
        "max connections": tcp.get("maxConnections", 0),
    }
    yield from (f"{name} must be non-negative" for name, count in counted.items() if count < 0)


def _hash(consistent: Object) -> Found:
    cookie = consistent.get("httpCookie")
    if cookie and not cookie["name"]:
        yield "name required for HttpCookie"
    if cookie and "ttl" in cookie:
        yield from words.go_duration(cookie["ttl"])
    if "maglev" in consistent:
        size = consistent["maglev"].get("tableSize", 0)
        if size == 0:
            yield "tableSize must be set for maglev"
        if size >= _LARGEST_TABLE:
            yield f"tableSize must be less than {_LARGEST_TABLE} for maglev"
        elif not _is_prime(size):
            yield "tableSize must be a prime number for maglev"


def _is_prime(number: int) -> bool:
    return number > 1 and all(number % factor for factor in range(2, int(number**0.5) + 1))
