"""A VirtualService → what Istio's admission webhook refuses in it.

Source: istio/istio, pkg/config/validation/{validation,virtualservice}.go.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ...objects.meta import Object
from . import words
from .words import Found

MESH = "mesh"
_CORS_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "CONNECT", "OPTIONS", "TRACE", "*")
_RETRY_ON = [
    "5xx",
    "gateway-error",
    "reset",
    "reset-before-request",
    "connect-failure",
    "retriable-4xx",
    "refused-stream",
    "retriable-status-codes",
    "retriable-headers",
    "envoy-ratelimited",
    "http3-post-connect-failure",
    "cancelled",
    "deadline-exceeded",
    "internal",
    "resource-exhausted",
    "unavailable",
]
_LARGEST_BODY = 1024 * 1024
# An action of its own forbids these beside it; the names are those that Istio says.
_ALONE = {"redirect": "redirect", "directResponse": "direct_response"}


def problems(obj: Object) -> list[str]:
    spec = obj.get("spec") or {}
    return [*_hosts(spec), *_rules(spec), *words.export_to(obj["metadata"]["namespace"], spec.get("exportTo") or ())]


def _hosts(spec: Object) -> Found:
    hosts, gateways = spec.get("hosts") or [], spec.get("gateways") or []
    if not hosts and gateways:
        yield "delegate virtual service must have no gateways specified"
    if MESH not in gateways:
        yield from words.gateways(gateways)
    wrong = [said for host in hosts for said in words.domain(host)]
    yield from wrong
    if "*" in hosts and (not gateways or MESH in gateways):
        yield "wildcard host * is not allowed for virtual services bound to the mesh gateway"
    elif not wrong:
        yield from _twice(hosts)


def _twice(hosts: list[str]) -> Found:
    for index, host in enumerate(hosts):
        for other in hosts[index + 1 :]:
            if matches(host, other):
                yield f"duplicate hosts in virtual service: {host} & {other}"


def matches(one: str, other: str) -> bool:
    """Whether two hosts, either of them perhaps with a wildcard, have a name in common."""
    if one.startswith("*") and other.startswith("*"):
        return one.endswith(other[1:]) or other.endswith(one[1:])
    if one.startswith("*") or other.startswith("*"):
        wild, plain = (one, other) if one.startswith("*") else (other, one)
        return plain.endswith(wild[1:])
    return one == other


def _rules(spec: Object) -> Found:
    if not spec.get("http"):
        yield "http, tcp or tls must be provided in virtual service"
    for rule in spec.get("http") or ():
        yield from _conflicts(rule)
        for match in rule.get("match") or ():
            yield from _match(match)
        yield from words.header_changes(rule.get("headers") or {})
        yield from _cors(rule.get("corsPolicy") or {})
        yield from _fault(rule)
        yield from _mirrors(rule)
        yield from _redirect(rule.get("redirect"), rule.get("match") or ())
        yield from _direct_response(rule.get("directResponse"))
        yield from _retries(rule.get("retries"))
        yield from _rewrite(rule.get("rewrite"))
        yield from _authorities(rule)
        yield from _destinations(rule.get("route") or ())


def _conflicts(rule: Object) -> Found:
    action = next((name for name in _ALONE if name in rule), "")
    beside = {"route": "", "fault": "", "rewrite": "rule ", "directResponse": "rule "}
    for name, word in beside.items():
        if action and name != action and (rule.get(name) or (name in rule and name != "route")):
            yield f"HTTP route {word}cannot contain both {_ALONE.get(name, name)} and {_ALONE[action]}"
    if not action and not rule.get("route"):
        yield "HTTP route, redirect or direct_response is required"
    if "mirror" in rule and rule.get("mirrors"):
        yield "HTTP route cannot contain both mirror and mirrors"


def _match(match: Object) -> Found:
    for name, value in (match.get("headers") or {}).items():
        yield from words.matched_header(name)
        yield from words.string_match(value, "headers")
    for name, value in (match.get("withoutHeaders") or {}).items():
        yield from words.matched_header(name)
        if value.get("regex") != "*":
            yield from words.string_match(value, "withoutHeaders")
    if "regex" in (match.get("uri") or {}):
        yield from words.regex(match["uri"]["regex"], "uri")
    for field in ("scheme", "method", "authority"):
        yield from words.string_match(match.get(field) or {}, field)
    for value in (match.get("queryParams") or {}).values():
        yield from words.string_match(value, "queryParams")
    if match.get("port"):
        yield from words.port(match["port"])
    if MESH not in (match.get("gateways") or ()):
        yield from words.gateways(match.get("gateways") or ())


def _cors(policy: Object) -> Found:
    for origin in policy.get("allowOrigins") or ():
        if not any(origin.values()):
            yield "'' is not a valid match type for CORS allow origins"
        elif "regex" in origin:
            yield from words.regex(origin["regex"], "corsPolicy.allowOrigins")
    for method in policy.get("allowMethods") or ():
        if method not in _CORS_METHODS:
            yield f'"{method}" is not a supported HTTP method'
    for name in (*(policy.get("allowHeaders") or ()), *(policy.get("exposeHeaders") or ())):
        yield from words.listed_header(name)


def _fault(rule: Object) -> Found:
    if "fault" not in rule:
        return
    fault = rule["fault"]
    if not ({"abort", "delay"} & set(fault)):
        yield "HTTP fault injection must have an abort and/or a delay"
    for part in ("abort", "delay"):
        yield from words.percentage(_percent(fault.get(part)))
    if "httpStatus" in (fault.get("abort") or {}):
        yield from words.status(fault["abort"]["httpStatus"])


def _percent(part: Mapping[str, Any] | None) -> float:
    return float(((part or {}).get("percentage") or {}).get("value", 0))


def _mirrors(rule: Object) -> Found:
    asked = [("mirror_percentage", _percent({"percentage": rule.get("mirrorPercentage")}))]
    asked += [("mirror percentage", _percent(mirror)) for mirror in rule.get("mirrors") or ()]
    for name, value in asked:
        if value > 100:
            yield f"{name} must have a max value of 100 (it has {value:f})"
        if value < 0:
            yield f"{name} must have a min value of 0 (it has {value:f})"
    for destination in mirrored(rule):
        yield from _destination(destination)


def mirrored(rule: Object) -> Iterator[Object]:
    if "mirror" in rule:
        yield rule["mirror"]
    yield from (mirror["destination"] for mirror in rule.get("mirrors") or ())


def _redirect(redirect: Object | None, matches: Any) -> Found:
    if redirect is None:
        return
    code = redirect.get("redirectCode", 0)
    if redirect.get("uri") and redirect.get("prefixRewrite"):
        yield "redirect may only specify one of uri or prefix_rewrite"
    elif redirect.get("prefixRewrite") and any("prefix" not in match["uri"] for match in matches if match.get("uri")):
        yield "redirect prefix_rewrite requires all URI matches to use prefix match type"
    elif not any(redirect.get(field) for field in ("uri", "prefixRewrite", "authority", "scheme")) and not (
        {"port", "derivePort"} & set(redirect)
    ):
        yield "redirect must specify URI, authority, scheme, or port"
    elif code and not 300 <= code <= 399:
        yield f"{code} is not a valid redirect code, must be 3xx"
    elif redirect.get("scheme") and redirect["scheme"] not in ("http", "https"):
        yield 'invalid redirect scheme, must be "http" or "https"'
    elif redirect.get("port"):
        yield from words.port(redirect["port"])


def _direct_response(response: Object | None) -> Found:
    if response is None:
        return
    if len(((response.get("body") or {}).get("string") or "").encode()) > _LARGEST_BODY:
        yield "large direct_responses may impact control plane performance, must be less than 1MB"
    yield from words.status(response["status"])


def _retries(retries: Object | None) -> Found:
    if retries is None:
        return
    attempts = retries.get("attempts", 0)
    if attempts < 0:
        yield "attempts cannot be negative"
    if attempts == 0 and (retries.get("perTryTimeout") or retries.get("retryOn")):
        yield "http retry policy configured when attempts are set to 0 (disabled)"
    for policy in retries["retryOn"].split(",") if retries.get("retryOn") else ():
        if policy not in _RETRY_ON and policy not in words.STATUSES:
            yield f'"{policy}" is not a valid retryOn policy'


def _rewrite(rewrite: Object | None) -> Found:
    if rewrite is None:
        return
    regex = rewrite.get("uriRegexRewrite")
    if rewrite.get("uri") and regex is not None:
        yield "rewrite may only contain one of URI or UriRegexRewrite"
    elif not rewrite.get("uri") and regex is None and not rewrite.get("authority"):
        yield (
            "rewrite must specify at least one of URI, UriRegexRewrite, or authority. "
            "Only one of URI or UriRegexRewrite may be specified"
        )
    elif regex is not None and not (regex.get("match") and regex.get("rewrite")):
        yield "UriRegexRewrite has errors\nUriRegexRewrite requires both Rewrite and Match fields to be specified"
    elif regex is not None:
        wrong = words.regex(regex["match"], "HTTPRewrite.UriRegexRewrite.Match")
        yield from (f"UriRegexRewrite has errors\n{said}" for said in wrong)


def _authorities(rule: Object) -> Found:
    current = (rule.get("rewrite") or {}).get("authority", "")
    request = (rule.get("headers") or {}).get("request") or {}
    for verb in ("set", "add"):
        for name, value in (request.get(verb) or {}).items():
            if words.is_authority(name):
                if current:
                    yield f'authority header cannot be set multiple times: have "{current}", attempting to set "{value}"'
                current = value


def _destinations(routes: Any) -> Found:
    for route in routes:
        yield from words.header_changes(route.get("headers") or {})
        yield from _destination(route["destination"])
        if route.get("weight", 0) < 0:
            yield f"weight {route['weight']} < 0"
    if len(routes) > 1 and sum(route.get("weight", 0) for route in routes) == 0:
        yield "total destination weight = 0"


def _destination(destination: Object) -> Found:
    host = destination["host"]
    yield from [f"invalid destination host {host}"] if host == "*" else words.domain(host)
    if destination.get("subset") and not words.is_label(destination["subset"]):
        yield f"subset name is invalid: {destination['subset']}"
    if destination.get("port") is not None:
        yield from words.port(destination["port"].get("number", 0))
