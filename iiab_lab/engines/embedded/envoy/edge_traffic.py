"""BackendTrafficPolicies → how the requests of a route are limited, retried, timed out and broken off.

As Envoy Gateway has it: a policy of the route replaces the Gateway's, or is laid over it where it says `mergeType`. The
oldest policy of a target counts; one that cannot be translated closes its routes (500).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from ..objects.kinds import BACKEND_TRAFFIC_POLICY, Key
from ..objects.meta import Object
from . import http, listener_verdicts, policy_targets, rate_limits, request_buffer
from .attachment import Attached, attached
from .durations import seconds
from .edge_routes import closed
from .indexed import Indexed
from .policy_targets import Targets
from .verdicts import Verdict
from .world import World, backend

Resource = dict[str, Any]

ACCEPTED = Verdict(True, "Accepted", "Policy has been accepted.")
NAMESPACE = "envoy-gateway-system"
_LOCAL = "envoy.filters.http.local_ratelimit"
_RETRY_ON = ("connect-failure", "refused-stream", "unavailable", "cancelled", "retriable-status-codes")
_ALWAYS = {"default_value": {"numerator": 100, "denominator": "HUNDRED"}}


class Traffic(NamedTuple):
    """What is in force for a route: the spec, whose buckets its limits fill, and whether it can be translated."""

    spec: Object
    scope: str
    verdict: Verdict


def effective(policies: Targets, gateway: Object, one: Attached) -> Traffic | None:
    """None where no policy speaks of the route."""
    own, above = policy_targets.of(policies, "HTTPRoute", one.route), policy_targets.of(policies, "Gateway", gateway)
    policy = own or above
    if policy is None:
        return None
    spec = policy["spec"]
    if own and above and own["spec"].get("mergeType"):
        spec = _laid_over(above["spec"], own["spec"])
    return Traffic(spec, _scope(policy, spec, one), _verdict(spec))


def scopes(world: World, gateway: Object) -> dict[str, Object]:
    """Whose buckets there are → the spec that says how large each is."""
    world = Indexed(world)
    policies = policy_targets.oldest(world, BACKEND_TRAFFIC_POLICY)
    routes = attached(world, gateway, listener_verdicts.judge(world, gateway))
    found = (effective(policies, gateway, one) for one in routes if one.accepted.holds)
    return {traffic.scope: traffic.spec for traffic in found if traffic and traffic.verdict.holds}


def judged(policies: Targets, gateway: Object, routes: list[Attached]) -> list[tuple[Object, dict[str, Verdict]]]:
    """(policy, its conditions) of every policy that targets the Gateway or a route of it."""
    own = {one.name: policy_targets.of(policies, "HTTPRoute", one.route) for one in routes}
    above = policy_targets.of(policies, "Gateway", gateway)
    chosen = {_name(policy): policy for policy in (above, *own.values()) if policy}
    found = [(policy, {"Accepted": _verdict(policy["spec"])}) for policy in chosen.values()]
    for policy, conditions in found:
        if policy is above:
            conditions |= _overridden(own)
        elif above and policy["spec"].get("mergeType"):
            name = f"{above['metadata']['namespace']}/{above['metadata']['name']}"
            conditions["Merged"] = Verdict(True, "Merged", f"Merged with policy {name}")
    return found


def routed(traffic: Traffic | None, route: Resource, timeouts: Object) -> Resource:
    """An Envoy route with what its policy says; the timeouts of the HTTPRoute's own rule come first."""
    if traffic is None or "route" not in route:
        return route
    if not traffic.verdict.holds:
        return closed(route)
    spec, action = traffic.spec, dict(route["route"])
    if "retry" in spec:
        action |= _retried(spec, timeouts)
    if not timeouts and (timeout := _request_timeout(spec)):
        action["timeout"] = seconds(timeout)
    if limits := rate_limits.actions(traffic.scope, spec):
        action["rate_limits"] = limits
    own = _local(traffic)
    if "requestBuffer" in spec:  # what waits for its end cannot be upgraded
        own |= request_buffer.per_route(spec)
        action["upgrade_configs"] = [{"upgrade_type": "websocket", "enabled": False}]
    filters = {**route.get("typed_per_filter_config", {}), **own}
    return {**route, "route": action, **({"typed_per_filter_config": filters} if filters else {})}


def broken(traffic: Traffic | None, clusters: Iterable[Resource]) -> None:
    """Puts the circuit breaker and the connect timeout into the clusters of a route, in place."""
    spec = traffic.spec if traffic else {}
    breaker = spec.get("circuitBreaker")
    connect = ((spec.get("timeout") or {}).get("tcp") or {}).get("connectTimeout")
    for cluster in clusters:
        if breaker:
            cluster["circuit_breakers"] = {"thresholds": [_thresholds(breaker)]}
        if connect:
            cluster["connect_timeout"] = seconds(connect)


def filters(gateway: Object, in_force: list[Traffic]) -> list[Resource]:
    """The filters that limit rates where policies ask for it, in their order: local before global."""
    made = []
    if any((t.spec.get("rateLimit") or {}).get("type") == "Local" for t in in_force):
        made.append(http.http_filter("local_ratelimit", stat_prefix="http_local_rate_limiter"))
    if any(rate_limits.global_rules(t.spec) for t in in_force):
        service = {"envoy_grpc": {"cluster_name": rate_limits.CLUSTER}}
        made.append(
            http.http_filter(
                "ratelimit",
                domain=domain(gateway),
                rate_limit_service={"grpc_service": service, "transport_api_version": "V3"},
                timeout="0.5s",
                enable_x_ratelimit_headers="DRAFT_VERSION_03",
            )
        )
    return made


def cluster(world: World) -> Resource:
    """Where the rate limit service listens: gRPC, so HTTP/2."""
    found = backend(world, Key(NAMESPACE, rate_limits.SERVICE), rate_limits.PORT)
    return http.cluster(
        rate_limits.CLUSTER, http.fixed(rate_limits.CLUSTER, found.addresses if found else []), http2=True
    )


def domain(gateway: Object) -> str:
    """Whose limits these are: one name for all listeners, so that HTTP and HTTPS share a bucket."""
    return f"{gateway['metadata']['namespace']}/{gateway['metadata']['name']}"


def _overridden(own: Mapping[str, Object | None]) -> dict[str, Verdict]:
    names = sorted(name.partition("/")[2] for name, p in own.items() if p and not p["spec"].get("mergeType"))
    if not names:
        return {}
    said = f"This policy is being overridden by other backendTrafficPolicies for these routes: [{' '.join(names)}]"
    return {"Overridden": Verdict(True, "Overridden", said)}


def _name(policy: Object) -> str:
    return f"{policy['metadata']['namespace']}/{policy['metadata']['name']}"


def _scope(policy: Object, spec: Object, one: Attached) -> str:
    """A rule that is `shared` counts for all routes of its policy together, else each route has buckets of its own."""
    shared = any(rule.get("shared") for rule in rate_limits.global_rules(spec))
    return f"backendtrafficpolicy/{_name(policy)}" if shared else one.name


def _laid_over(below: Any, above: Any) -> Any:
    """Objects are merged field by field, everything else is replaced."""
    if not isinstance(below, dict) or not isinstance(above, dict):
        return above
    merged = {**below, **{name: _laid_over(below.get(name), value) for name, value in above.items()}}
    return {name: value for name, value in merged.items() if name not in ("targetRefs", "mergeType")}


def _verdict(spec: Object) -> Verdict:
    limit = spec.get("rateLimit") or {}
    rules = (limit.get("local") or {}).get("rules") or [] if limit.get("type") == "Local" else []
    if any(rule["limit"]["unit"] != "Second" or rule.get("clientSelectors") for rule in rules) or len(rules) > 1:
        why = "a Local rate limit is one rule per Second without clientSelectors here; use type: Global"
        return Verdict(False, "Invalid", f"RateLimit: {why}")
    for rule in rate_limits.global_rules(spec):
        headers = [h for selector in rule.get("clientSelectors") or () for h in selector.get("headers") or ()]
        if any(h.get("type", "Exact") != "Distinct" and "value" not in h for h in headers):
            return Verdict(False, "Invalid", "RateLimit: a header selector needs a value unless it is Distinct")
    if why := request_buffer.wrong(spec):
        return Verdict(False, "Invalid", why)
    return ACCEPTED


def _request_timeout(spec: Object) -> str | None:
    return ((spec.get("timeout") or {}).get("http") or {}).get("requestTimeout")


def _retried(spec: Object, timeouts: Object) -> Resource:
    """`backendRequest` is the time of a try, `request` that of all of them."""
    policy = _retry(spec["retry"])
    if "backendRequest" not in timeouts:
        return {"retry_policy": policy}
    policy.setdefault("per_try_timeout", seconds(timeouts["backendRequest"]))
    total = timeouts.get("request") or _request_timeout(spec) or "0s"
    return {"retry_policy": policy, "timeout": seconds(total)}


def _retry(wanted: Object) -> Resource:
    on, per = wanted.get("retryOn") or {}, wanted.get("perRetry") or {}
    triggers = list(on.get("triggers") or _RETRY_ON)
    codes = on.get("httpStatusCodes") or ([] if "triggers" in on else [503])
    if codes and "retriable-status-codes" not in triggers:
        triggers.append("retriable-status-codes")
    made: Resource = {"num_retries": wanted.get("numRetries", 2), "retry_on": ",".join(triggers)}
    made |= {"retriable_status_codes": list(codes)} if codes else {}
    made |= {"per_try_timeout": seconds(per["timeout"])} if "timeout" in per else {}
    names = {"baseInterval": "base_interval", "maxInterval": "max_interval"}
    back_off = {names[name]: seconds(value) for name, value in (per.get("backOff") or {}).items()}
    return made | ({"retry_back_off": back_off} if back_off else {})


def _thresholds(breaker: Object) -> Resource:
    return {
        "max_connections": breaker.get("maxConnections", 1024),
        "max_pending_requests": breaker.get("maxPendingRequests", 1024),
        "max_requests": breaker.get("maxParallelRequests", 1024),
        "max_retries": breaker.get("maxParallelRetries", 1024),
    }


def _local(traffic: Traffic) -> dict[str, Resource]:
    limit = traffic.spec.get("rateLimit") or {}
    rules = (limit.get("local") or {}).get("rules") or []
    if limit.get("type") != "Local" or not rules:
        return {}
    requests = rules[0]["limit"]["requests"]
    bucket = {"max_tokens": requests, "tokens_per_fill": requests, "fill_interval": "1s"}
    config = {
        "stat_prefix": "http_local_rate_limiter",
        "token_bucket": bucket,
        "filter_enabled": _ALWAYS,
        "filter_enforced": _ALWAYS,
        "enable_x_ratelimit_headers": "DRAFT_VERSION_03",
    }
    return {_LOCAL: http.message("local_ratelimit", "LocalRateLimit", **config)}
