"""A DestinationRule's trafficPolicy → what it makes of a cluster, and the value that a route hashes.

Source: istio/istio, pilot/pkg/networking/core/{cluster_traffic_policy,route/route}.go.
"""

from __future__ import annotations

from typing import Any

from ..objects.meta import Object
from . import http
from .durations import seconds

Resource = dict[str, Any]

_SIMPLE = {"RANDOM": "RANDOM", "ROUND_ROBIN": "ROUND_ROBIN"}
_DEFAULT_RING = 1024
_HTTP = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
_OPTIONS: Resource = {"@type": f"type.googleapis.com/{_HTTP}"}


def overridden(policy: Object | None, by: Object | None) -> Object:
    """A subset's policy over its rule's: part by part, each whole."""
    return {**(policy or {}), **(by or {})}


def shaped(cluster: Resource, policy: Object) -> Resource:
    """The cluster under this policy. What it leaves open is Istio's default: no limit, and the fewest requests first."""
    made = {**cluster, "circuit_breakers": http.UNLIMITED, **_balancing(policy.get("loadBalancer") or {})}
    if pool := policy.get("connectionPool"):
        made |= _pool(pool, cluster)
    if "outlierDetection" in policy:
        made |= _outliers(policy["outlierDetection"])
    return made


def hash_policy(policy: Object) -> Resource | None:
    """None where requests are not kept to a Pod."""
    consistent = (policy.get("loadBalancer") or {}).get("consistentHash") or {}
    if "httpHeaderName" in consistent:
        return {"header": {"header_name": consistent["httpHeaderName"]}}
    if "httpQueryParameterName" in consistent:
        return {"query_parameter": {"name": consistent["httpQueryParameterName"]}}
    if "useSourceIp" in consistent:
        return {"connection_properties": {"source_ip": consistent["useSourceIp"]}}
    return {"cookie": _cookie(consistent["httpCookie"])} if "httpCookie" in consistent else None


def _cookie(cookie: Object) -> Resource:
    given = {name: cookie[name] for name in ("name", "path") if name in cookie}
    return given | ({"ttl": seconds(cookie["ttl"])} if "ttl" in cookie else {})


def _balancing(balancer: Object) -> Resource:
    if "consistentHash" not in balancer:
        return {"lb_policy": _SIMPLE.get(balancer.get("simple", ""), "LEAST_REQUEST")}
    consistent = balancer["consistentHash"]
    if "maglev" in consistent:
        return {"lb_policy": "MAGLEV", "maglev_lb_config": {"table_size": consistent["maglev"]["tableSize"]}}
    size = (consistent.get("ringHash") or {}).get("minimumRingSize") or _DEFAULT_RING
    return {"lb_policy": "RING_HASH", "ring_hash_lb_config": {"minimum_ring_size": size}}


def _pool(pool: Object, cluster: Resource) -> Resource:
    """A limit of 0 is none, as Istio reads it."""
    tcp, spoken = pool.get("tcp") or {}, pool.get("http") or {}
    asked = {
        "max_connections": tcp.get("maxConnections"),
        "max_pending_requests": spoken.get("http1MaxPendingRequests"),
        "max_requests": spoken.get("http2MaxRequests"),
        "max_retries": spoken.get("maxRetries"),
    }
    limits = {name: limit for name, limit in asked.items() if limit}
    made: Resource = {"circuit_breakers": {"thresholds": [{**http.UNLIMITED["thresholds"][0], **limits}]}}
    if "connectTimeout" in tcp:
        made["connect_timeout"] = seconds(tcp["connectTimeout"])
    common: Resource = {"idle_timeout": seconds(spoken["idleTimeout"])} if "idleTimeout" in spoken else {}
    if spoken.get("maxRequestsPerConnection"):
        common["max_requests_per_connection"] = spoken["maxRequestsPerConnection"]
    return made | (_with_options(cluster, common) if common else {})


def _with_options(cluster: Resource, common: Resource) -> Resource:
    options = (cluster.get("typed_extension_protocol_options") or {}).get(_HTTP)
    plain = {**_OPTIONS, "explicit_http_config": {"http_protocol_options": {}}}
    return {"typed_extension_protocol_options": {_HTTP: {**(options or plain), "common_http_protocol_options": common}}}


def _outliers(outliers: Object) -> Resource:
    """Of the failures that Envoy counts, those in a row alone, and no panic: with few Pods it would come at once."""
    made: Resource = {"enforcing_success_rate": 0}
    for field, name, enforced in (
        ("consecutive5xxErrors", "consecutive_5xx", "enforcing_consecutive_5xx"),
        ("consecutiveGatewayErrors", "consecutive_gateway_failure", "enforcing_consecutive_gateway_failure"),
    ):
        if outliers.get(field) is not None:
            made |= {name: outliers[field], enforced: 100 if outliers[field] else 0}
    for field, name in (("interval", "interval"), ("baseEjectionTime", "base_ejection_time")):
        if field in outliers:
            made[name] = seconds(outliers[field])
    if outliers.get("maxEjectionPercent"):
        made["max_ejection_percent"] = outliers["maxEjectionPercent"]
    healthy = {"healthy_panic_threshold": {"value": outliers.get("minHealthPercent", 0)}}
    return {"outlier_detection": made, "common_lb_config": healthy}
