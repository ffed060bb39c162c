"""One rule of a VirtualService → what Envoy does with a request that matches: forward, redirect, answer; mirror, retry, fail.

Source: istio/istio, pilot/pkg/networking/core/route and …/route/retry.
"""

from __future__ import annotations

from typing import Any

from ..objects.meta import Object
from ..rules.istio.words import STATUSES
from . import http, virtual_headers
from .destinations import Chosen, Destinations
from .durations import seconds

Resource = dict[str, Any]

_DEFAULT_PORTS = {"http": 80, "https": 443}
_RETRY_ON = "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes"
_RETRIES, _OTHER_HOSTS = 2, 5
_PREVIOUS = "envoy.retry_host_predicates.previous_hosts"
_PREVIOUS_HOSTS = {
    "name": _PREVIOUS,
    "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"
    },
}
_FAULT = "envoy.filters.http.fault"


def forward(
    service: Object, rule: Object, headers: virtual_headers.Changes, port: int, found: Destinations
) -> Resource:
    """The route's action, with the changes to headers that stand beside it."""
    action: Resource = {"timeout": seconds(rule.get("timeout", "0s"))}
    rewrite = rule.get("rewrite") or {}
    authority = rewrite.get("authority") or headers.authority
    fields = headers.fields
    if regex := rewrite.get("uriRegexRewrite"):
        action["regex_rewrite"] = {"pattern": {"regex": regex["match"]}, "substitution": regex["rewrite"]}
    elif rewrite.get("uri"):
        action["prefix_rewrite"] = rewrite["uri"]
    if mirrors := _mirrors(service, rule, port, found):
        action["request_mirror_policies"] = mirrors
    if len(rule["route"]) == 1:
        (only,) = rule["route"]
        changes, target = (
            virtual_headers.translate(only.get("headers")),
            found.choose(only["destination"], service, port),
        )
        action["cluster"], targets = target.cluster, [target]
        fields, authority = virtual_headers.joined(fields, changes.fields), authority or changes.authority
    else:
        action["weighted_clusters"], targets = _weighted(service, rule, port, found)
    if authority:
        action["host_rewrite_literal"] = authority
    if hashed := [target.hashed for target in targets if target.hashed]:
        action["hash_policy"] = hashed
    if retries := _retries(rule.get("retries"), kept=len(targets) == 1 and bool(hashed)):
        action["retry_policy"] = retries
    return {"route": action, **fields}


def _weighted(service: Object, rule: Object, port: int, found: Destinations) -> tuple[Resource, list[Chosen]]:
    clusters, targets = [], []
    for route in rule["route"]:
        if weight := route.get("weight", 0):
            changes, target = (
                virtual_headers.translate(route.get("headers")),
                found.choose(route["destination"], service, port),
            )
            rewritten = {"host_rewrite_literal": changes.authority} if changes.authority else {}
            clusters.append({"name": target.cluster, "weight": weight, **rewritten, **changes.fields})
            targets.append(target)
    return {"clusters": clusters}, targets


def _mirrors(service: Object, rule: Object, port: int, found: Destinations) -> list[Resource]:
    """Envoy sends the copy and forgets it: the client's answer never waits for a mirror."""
    asked = [(rule["mirror"], rule.get("mirrorPercentage"))] if "mirror" in rule else []
    asked += [(one["destination"], one.get("percentage")) for one in rule.get("mirrors") or ()]
    return [
        {
            "cluster": found.choose(destination, service, port).cluster,
            "runtime_fraction": {"default_value": _fraction(percentage or {"value": 100})},
            "trace_sampled": False,
            "disable_shadow_host_suffix_append": True,
        }
        for destination, percentage in asked
        if percentage is None or percentage.get("value", 0) > 0
    ]


def _fraction(percentage: Object) -> Resource:
    return {"numerator": int(percentage.get("value", 0) * 10_000), "denominator": "MILLION"}


def _retries(retries: Object | None, *, kept: bool) -> Resource | None:
    """`kept`: to one Pod by a hash, so that another would be the wrong one."""
    asked: Object = {"attempts": _RETRIES} if retries is None else retries
    if not asked.get("attempts"):
        return None
    made: Resource = {
        "num_retries": asked["attempts"],
        "retry_on": _RETRY_ON,
        "host_selection_retry_max_attempts": _OTHER_HOSTS,
    }
    if asked.get("retryOn"):
        made |= _retry_on(asked["retryOn"])
    if "perTryTimeout" in asked:
        made["per_try_timeout"] = seconds(asked["perTryTimeout"])
    if "backoff" in asked:
        made["retry_back_off"] = {"base_interval": seconds(asked["backoff"])}
    ignored = asked.get("retryIgnorePreviousHosts")
    if not kept if ignored is None else ignored:
        made["retry_host_predicate"] = [_PREVIOUS_HOSTS]
    return made


def _retry_on(text: str) -> Resource:
    """Numbers among the conditions are status codes."""
    parts = [part.strip() for part in text.split(",") if part.strip()]
    codes = [int(part) for part in parts if part in STATUSES]
    names = [part for part in parts if part not in STATUSES]
    if codes and "retriable-status-codes" not in names:
        names.append("retriable-status-codes")
    return {"retry_on": ",".join(names), **({"retriable_status_codes": codes} if codes else {})}


def redirect(redirect: Object, port: int, tls: bool) -> Resource:
    """`port` and `tls` are the server's: what a redirect keeps of the request's own address."""
    path = "prefix_rewrite" if redirect.get("prefixRewrite") else "path_redirect"
    given = {
        "host_redirect": redirect.get("authority"),
        path: redirect.get("prefixRewrite") or redirect.get("uri"),
        "scheme_redirect": redirect.get("scheme"),
        "port_redirect": _redirect_port(redirect, port, tls),
        "response_code": http.REDIRECTS.get(redirect.get("redirectCode", 0)),
    }
    return {name: value for name, value in given.items() if value}


def _redirect_port(redirect: Object, port: int, tls: bool) -> int:
    wanted = port if redirect.get("derivePort") == "FROM_REQUEST_PORT" else redirect.get("port", 0)
    scheme = redirect.get("scheme") or ("https" if tls else "http")
    return 0 if wanted == _DEFAULT_PORTS[scheme] else int(wanted)


def direct_response(response: Object) -> Resource:
    text = (response.get("body") or {}).get("string")
    return {"status": response["status"], **({"body": {"inline_string": text}} if text else {})}


def per_filter(rule: Object) -> Resource:
    made: Resource = {}
    if fault := _fault(rule.get("fault") or {}):
        made[_FAULT] = http.message("fault", "HTTPFault", **fault)
    if "corsPolicy" in rule:
        made[http.CORS] = _cors(rule["corsPolicy"])
    return made


def _fault(fault: Object) -> Resource:
    made: Resource = {}
    delay, abort = fault.get("delay") or {}, fault.get("abort") or {}
    if "fixedDelay" in delay:
        made["delay"] = {
            "fixed_delay": seconds(delay["fixedDelay"]),
            "percentage": _fraction(delay.get("percentage") or {}),
        }
    if "httpStatus" in abort:
        made["abort"] = {"http_status": abort["httpStatus"], "percentage": _fraction(abort.get("percentage") or {})}
    return made


def _cors(policy: Object) -> Resource:
    made: Resource = {
        "forward_not_matching_preflights": policy.get("unmatchedPreflights") != "IGNORE",
        "filter_enabled": {"default_value": {"numerator": 100, "denominator": "HUNDRED"}},
        "allow_origin_string_match": [_origin(origin) for origin in policy.get("allowOrigins") or ()],
        **http.cors_lists(policy, ","),
    }
    if "maxAge" in policy:
        made["max_age"] = seconds(policy["maxAge"]).partition(".")[0].rstrip("s")
    if policy.get("allowCredentials") is not None:
        made["allow_credentials"] = policy["allowCredentials"]
    return http.message("cors", "CorsPolicy", **made)


def _origin(origin: Object) -> Resource:
    kind, text = next(iter(origin.items()))
    return {"safe_regex": {"regex": text}} if kind == "regex" else {kind: text}
