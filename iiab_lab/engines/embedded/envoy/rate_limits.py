"""Rate limit rules → what Envoy tells the rate limit service of a request, and what that service is to count.

Both sides of one bargain, so they stand together: a request matches a rule if Envoy can make all of the rule's descriptor
entries for it; the service finds the limit by the same entries. Form of the service's configuration: envoyproxy/ratelimit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..objects.meta import Object

Resource = dict[str, Any]

# Envoy Gateway's names for its rate limit service.
SERVICE, PORT, CLUSTER = "envoy-ratelimit", 8081, "ratelimit_cluster"


def global_rules(spec: Object) -> list[Object]:
    limit = spec.get("rateLimit") or {}
    return list((limit.get("global") or {}).get("rules") or ()) if limit.get("type") == "Global" else []


def actions(scope: str, spec: Object) -> list[Resource]:
    """For a route: one list of actions per rule. `scope` tells whose buckets these are."""
    return [
        {"actions": [_generic(scope, scope), *(_action(key, header) for key, header in _entries(index, rule))]}
        for index, rule in enumerate(global_rules(spec))
    ]


def descriptors(scope: str, spec: Object) -> Object | None:
    """The service's configuration of the same rules; None where there are none."""
    made: list[Object] = []
    for index, rule in enumerate(global_rules(spec)):
        limit = {"unit": rule["limit"]["unit"].lower(), "requests_per_unit": rule["limit"]["requests"]}
        below: Object = {"rate_limit": limit}
        for key, header in reversed(list(_entries(index, rule))):
            value = {} if header and header.get("type") == "Distinct" else {"value": key}
            below = {"descriptors": [{"key": key, **value, **below}]}
        made += below["descriptors"]
    return {"key": scope, "value": scope, "descriptors": made} if made else None


def configuration(domain: str, scopes: Mapping[str, Object]) -> Object:
    """`scopes`: scope → the spec of its policy."""
    made = (descriptors(scope, spec) for scope, spec in sorted(scopes.items()))
    return {"domain": domain, "descriptors": [one for one in made if one]}


def _entries(index: int, rule: Object) -> Iterator[tuple[str, Object | None]]:
    """(descriptor key, the header it comes from); without a selector the rule alone is the key."""
    headers = [h for selector in rule.get("clientSelectors") or () for h in selector.get("headers") or ()]
    if not headers:
        yield f"rule-{index}", None
    for place, header in enumerate(headers):
        yield f"rule-{index}-match-{place}", header


def _action(key: str, header: Object | None) -> Resource:
    if header is None:
        return _generic(key, key)
    name, kind = header["name"].lower(), header.get("type", "Exact")
    if kind == "Distinct":
        return {"request_headers": {"header_name": name, "descriptor_key": key}}
    wanted = {"safe_regex": {"regex": header["value"]}} if kind == "RegularExpression" else {"exact": header["value"]}
    matched = {"descriptor_key": key, "descriptor_value": key, "expect_match": not header.get("invert", False)}
    return {"header_value_match": {**matched, "headers": [{"name": name, "string_match": wanted}]}}


def _generic(key: str, value: str) -> Resource:
    return {"generic_key": {"descriptor_key": key, "descriptor_value": value}}
