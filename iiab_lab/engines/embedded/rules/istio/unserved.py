"""A VirtualService or DestinationRule that Istio's webhook lets in → why its proxies would refuse it, and everything with it.

Envoy takes a route table as a whole or not at all. What it refuses is found here without asking it, as far as that is known
beforehand; the rest is found by asking. Source: the constraints in Envoy's API (envoy/config/{route,cluster}/v3).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import re2

from ...objects.meta import Object
from .. import regexes
from .words import Found

_REDIRECTS = (0, 301, 302, 303, 307, 308)
_MOST_WEIGHT = 2**32 - 1
_LONGEST_NAME = 1024
_LARGEST_RING = 8 * 1024 * 1024
_GROUPS = re.compile(r"\\(.?)", re.DOTALL)


def virtual_service(obj: Object) -> list[str]:
    return [said for rule in obj["spec"].get("http") or () for said in _rule(rule)]


def destination_rule(obj: Object) -> list[str]:
    spec = obj["spec"]
    policies = [spec.get("trafficPolicy"), *(subset.get("trafficPolicy") for subset in spec.get("subsets") or ())]
    return [said for policy in policies for said in _policy(policy or {})]


def _rule(rule: Object) -> Found:
    yield from _actions(rule)
    for match in rule.get("match") or ():
        for name in match.get("queryParams") or ():
            if not 1 <= len(name.encode()) <= _LONGEST_NAME:
                yield f'queryParams: name "{name[:20]}" must be of 1 to {_LONGEST_NAME} bytes'
    rewritten = {**(rule.get("redirect") or {}), **(rule.get("rewrite") or {})}
    for name in [*_header_names(rule), *(text for text in rewritten.values() if isinstance(text, str))]:
        if regexes.BROKEN.search(name):
            yield f"{name!r} must not hold a line break or a null character"


def _actions(rule: Object) -> Found:
    code = (rule.get("redirect") or {}).get("redirectCode", 0)
    if code not in _REDIRECTS:
        yield f"redirectCode {code} is not one that a proxy answers: {', '.join(map(str, _REDIRECTS[1:]))}"
    statuses = (rule.get("directResponse") or {}).get("status"), _abort(rule).get("httpStatus")
    if 600 in statuses:
        yield "HTTP status 600 is not in range 200-599"
    if sum(route.get("weight", 0) for route in rule.get("route") or ()) > _MOST_WEIGHT:
        yield f"weights add up to more than {_MOST_WEIGHT}"
    regex = (rule.get("rewrite") or {}).get("uriRegexRewrite")
    if regex and (why := regexes.error(regex["match"]) or _wrong_group(regex)):
        yield f"uriRegexRewrite: {why}"


def _abort(rule: Object) -> Object:
    return (rule.get("fault") or {}).get("abort") or {}


def _wrong_group(regex: Object) -> str:
    groups = re2.compile(regex["match"]).groups
    for found in _GROUPS.finditer(regex["rewrite"]):
        if found[1] != "\\" and not (found[1].isdecimal() and int(found[1]) <= groups):
            return f"{found[0]} in {regex['rewrite']} names no group of {regex['match']}"
    return ""


def _header_names(rule: Object) -> Iterator[str]:
    for one in (rule, *(rule.get("route") or ())):
        for changes in (one.get("headers") or {}).values():
            for names in changes.values():
                yield from names


def _policy(policy: Object) -> Found:
    consistent = (policy.get("loadBalancer") or {}).get("consistentHash") or {}
    cookie = consistent.get("httpCookie") or {}
    for field in ("httpHeaderName", "httpQueryParameterName"):
        if consistent.get(field) == "":
            yield f"{field} must not be empty"
    for text in (consistent.get("httpHeaderName", ""), cookie.get("name", ""), cookie.get("path", "")):
        if regexes.BROKEN.search(text):
            yield f"{text!r} must not hold a line break or a null character"
    if cookie.get("ttl", "").startswith("-"):
        yield f"ttl {cookie['ttl']} must not be negative"
    if (consistent.get("ringHash") or {}).get("minimumRingSize", 0) > _LARGEST_RING:
        yield f"minimumRingSize must be {_LARGEST_RING} at most"
