"""A proxy's or a service's line about one request → what it decided, by which policy, and why, in plain words.

The proxies say why in Envoy's response code details: the filter that answered names itself there, and the policy.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

from .places import EDGE_NAMESPACE, SIDECAR, TIER_1, Place
from .record import ALLOWED, ANONYMOUS, DENIED, ERROR, Fact
from .redact import clean

# What a policy or a limit answers with; every other status from 400 on is an error.
_DENIED = (401, 403, 413, 429, 431)
# The answer came from further in: that hop's own record says why.
FURTHER_IN, APPLICATION = "answered further in", "the application's own answer"
_MATCHED = re.compile(r"rbac_access_denied_matched_policy\[(.*)\]", re.S)
_ISTIO = re.compile(r"ns\[(.*?)\]-policy\[(.*?)\]-rule\[(\d+)\]")
_NETWORK = re.compile(r"ns\[(.*?)\]-networkpolicies\[(.*)\]")
_JWT = re.compile(r"jwt_authn_access_denied\{(.*)\}", re.S)
_ROUTE = re.compile(r"httproute/([^/]+)/([^/]+)/")
_UPSTREAM = re.compile(r"\|([^.|]+)\.([^.|]+)\.svc\.")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_SPIFFE = re.compile(r"spiffe://[^/]+/ns/([^/]+)/sa/")
# What a service answers with is all that is known of why.
_STATUS = {401: "no credentials that are good", 403: "not permitted", 429: "too many requests"}
_RATE = "rate limit"
KEY, TOKEN = "key", "token"
# Details of Envoy's filters → (what refused, why).
_FILTERS = {
    "request_rate_limited": (_RATE, "too many requests"),
    "local_rate_limited": (_RATE, "too many requests"),
    "missing_api_key": ("api key", "no key"),
    "unkonwn_api_key": ("api key", "an unknown key"),  # Envoy's own spelling
    "unknown_api_key": ("api key", "an unknown key"),
    "client_not_allowed": ("api key", "a key that may not do this"),
    "ext_authz_denied": ("external authorization", "refused"),
    "ext_authz_error": ("external authorization", "it did not answer"),
    "rbac_access_denied": ("authorization", "refused"),
    "csrf_origin_mismatch": ("csrf", "another origin"),
}


def fact(place: Place, line: Mapping[str, Any], namespaces: Collection[str]) -> Fact:
    """`namespaces` are those that have Pods: a published model's route names one of them."""
    code = int(line.get("code") or 0)
    route, actor = str(line.get("route") or ""), _actor(place, line)
    decision, policy, reason = judged(place, code, str(line.get("details") or ""), route)
    return Fact(
        time=_text(line, "time"),
        plane="data",
        hop=place.hop,
        pod=place.name,
        tenant=_tenant(place, line, route, namespaces),
        actor=actor,
        actor_tenant=_actor_tenant(place, line, actor),
        verb=_text(line, "method"),
        host=_text(line, "host"),
        resource=_text(line, "path"),
        decision=decision,
        status=code,
        policy=policy,
        reason=reason,
        request_id=request_id(line.get("request_id")),
    )


def judged(place: Place, code: int, details: str, route: str = "") -> tuple[str, str, str]:
    """→ (decision, policy, reason). Of a reason there are few: whatever the sender wrote is in none."""
    if found := _MATCHED.fullmatch(details):
        return DENIED, *_rule(place, found[1], route)
    if found := _JWT.fullmatch(details):
        return DENIED, _of(route, "jwt"), "token: " + found[1].replace("_", " ")
    if details in _FILTERS:
        what, why = _FILTERS[details]
        return DENIED, _of(route, what), f"{what}: {why}"
    decision = ALLOWED if 0 < code < 400 else DENIED if code in _DENIED else ERROR
    if decision == ALLOWED:
        return decision, "", ""
    if details == "via_upstream":
        return decision, "", APPLICATION if place.hop == SIDECAR else FURTHER_IN
    # What follows the name of a detail may quote what was sent.
    plain = re.split(r"[{\[:|(]", details, maxsplit=1)[0].strip().replace("_", " ")
    return decision, "", clean(plain)[:80] or _STATUS.get(code, f"status {code}" if code else "no answer")


def _rule(place: Place, name: str, route: str) -> tuple[str, str]:
    if found := _ISTIO.fullmatch(name):
        return f"AuthorizationPolicy {found[1]}/{found[2]} rule {found[3]}", "authorization: a rule denies it"
    if found := _NETWORK.fullmatch(name):
        named = ", ".join(f"{found[1]}/{one}" for one in found[2].split(","))
        return f"NetworkPolicy {named}", "network policy: none lets it connect"
    if place.hop == TIER_1:
        default = name in ("default", "none")
        return _of(
            route, f"authorization {name}"
        ), f"authorization: {'no rule allows it' if default else 'a rule denies it'}"
    return "AuthorizationPolicy", "authorization: no policy allows it"


def _of(route: str, what: str) -> str:
    """A policy of the edge is known by the route it stands before."""
    found = _ROUTE.match(route)
    kind = "BackendTrafficPolicy" if what == _RATE else "SecurityPolicy"
    return f"{kind} of HTTPRoute {found[1]}/{found[2]}, {what}" if found else what


def _actor(place: Place, line: Mapping[str, Any]) -> str:
    """Who the hop knows it was: by token, by key, by certificate, or as a service said it."""
    if place.hop == TIER_1:
        known = _text(line, "subject") or _text(line, {KEY: "client", TOKEN: "bearer"}.get(_published(line), ""))
    else:
        known = _text(line, "actor")
    return known or _text(line, "peer") or ANONYMOUS


def _published(line: Mapping[str, Any]) -> str:
    """How a published model is asked: only there does the edge itself say in headers who it was. Elsewhere those are the
    sender's own words."""
    found = _ROUTE.match(str(line.get("route") or ""))
    if not found or found[1] != EDGE_NAMESPACE or not found[2].startswith("published-model-"):
        return ""
    return TOKEN if found[2].endswith("-jwt") else KEY


def _actor_tenant(place: Place, line: Mapping[str, Any], actor: str) -> str:
    if said := _text(line, "tenant"):
        return said
    if place.hop == TIER_1 and _published(line) == TOKEN:
        return _text(line, "bearer_tenant")
    found = _SPIFFE.match(actor)
    return found[1] if found else ""


def _tenant(place: Place, line: Mapping[str, Any], route: str, namespaces: Collection[str]) -> str:
    if place.hop == SIDECAR:
        return place.namespace
    if found := _ROUTE.match(route):
        return _owner(found[1], found[2], namespaces)
    found = _UPSTREAM.search(str(line.get("upstream") or ""))
    return found[2] if found else ""


def _owner(namespace: str, name: str, namespaces: Collection[str]) -> str:
    """The management service keeps the routes of published models beside the Gateway and names the namespace in theirs."""
    if namespace != EDGE_NAMESPACE:
        return namespace
    if name.startswith("model-"):
        return name.removeprefix("model-").partition(".")[0]
    rest = name.removeprefix("published-model-")
    return max((one for one in namespaces if rest.startswith(f"{one}-")), key=len, default="")


def request_id(said: Any) -> str:
    """As it was made, a UUID; anything else somebody chose."""
    text = str(said or "")
    return text if _UUID.fullmatch(text) else clean(text)


def _text(line: Mapping[str, Any], field: str) -> str:
    value = line.get(field)
    return clean(str(value)) if value not in (None, "-") else ""
