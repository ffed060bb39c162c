"""An attached HTTPRoute → Envoy routes and the clusters they lead to, in the order Gateway API gives them precedence."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from ..objects.kinds import BACKEND_TLS_POLICY, CONFIG_MAP, SERVICE, Key
from ..objects.meta import Object
from . import http
from .attachment import Attached, refusal
from .durations import seconds
from .world import World, backend

Resource = dict[str, Any]

CLIENT_CERTIFICATE = "backend-client-certificate"
_KINDS = {"Exact": 0, "RegularExpression": 1, "PathPrefix": 2}


class Ranked(NamedTuple):
    """An Envoy route with what decides its place among the others; smaller is earlier."""

    rank: tuple[Any, ...]
    route: Resource


def routes(
    world: World, one: Attached, made: dict[str, dict[str, Resource]], client_certificate: bool
) -> Iterator[Ranked]:
    """Adds the clusters it needs to `made`."""
    for index, rule in enumerate(one.route["spec"].get("rules") or ()):
        action = _action(world, one, rule, f"{one.name}/rule/{index}", made, client_certificate)
        for place, match in enumerate(rule.get("matches") or [{}]):
            created = one.route["metadata"].get("creationTimestamp", "")
            rank = (*_rank(match), created, one.name, index, place)
            name = f"{one.name}/rule/{index}/match/{place}"
            yield Ranked(rank, {"name": name, "match": _match(match), **action})


def _rank(match: Object) -> tuple[Any, ...]:
    path = match.get("path") or {"type": "PathPrefix", "value": "/"}
    kind = path.get("type", "PathPrefix")
    return (
        _KINDS[kind],
        -len(path.get("value", "/")),
        "method" not in match,
        -len(match.get("headers") or ()),
        -len(match.get("queryParams") or ()),
    )


def _match(match: Object) -> Resource:
    path = match.get("path") or {}
    kind, value = path.get("type", "PathPrefix"), path.get("value", "/")
    if kind == "Exact":
        made: Resource = {"path": value}
    elif kind == "RegularExpression":
        made = {"safe_regex": {"regex": value}}
    else:
        prefix = value.rstrip("/")
        made = {"path_separated_prefix": prefix} if prefix else {"prefix": "/"}
    headers = [{"name": item["name"].lower(), "string_match": _string(item)} for item in match.get("headers") or ()]
    if "method" in match:
        headers.append({"name": ":method", "string_match": {"exact": match["method"]}})
    queries = [{"name": item["name"], "string_match": _string(item)} for item in match.get("queryParams") or ()]
    return made | ({"headers": headers} if headers else {}) | ({"query_parameters": queries} if queries else {})


def _string(item: Object) -> Resource:
    regex = item.get("type", "Exact") == "RegularExpression"
    return {"safe_regex": {"regex": item["value"]}} if regex else {"exact": item["value"]}


def _action(
    world: World, one: Attached, rule: Object, name: str, made: dict[str, dict[str, Resource]], client_certificate: bool
) -> Resource:
    """Invalid backends answer 500 for their share, as Gateway API wants it."""
    weighted, broken = [], 0
    for index, ref in enumerate(rule.get("backendRefs") or ()):
        weight = ref.get("weight", 1)
        if refusal(world, one.route, ref):
            broken += weight
        elif weight:
            cluster = name if len(rule["backendRefs"]) == 1 else f"{name}/backend/{index}"
            _add_cluster(world, one, ref, cluster, made, client_certificate)
            weighted.append({"name": cluster, "weight": weight})
    changes = _filters(rule)
    if not weighted:
        return {"direct_response": {"status": 500}, **changes.headers}
    if broken:
        weighted.append({"name": "invalid-backend-cluster", "weight": broken})
        made["clusters"]["invalid-backend-cluster"] = {"name": "invalid-backend-cluster", "type": "STATIC"}
    route: Resource = (
        {"cluster": weighted[0]["name"]} if len(weighted) == 1 else {"weighted_clusters": {"clusters": weighted}}
    )
    route |= {"cluster_not_found_response_code": "INTERNAL_SERVER_ERROR"} if broken else {}
    if request := (rule.get("timeouts") or {}).get("request"):
        route["timeout"] = seconds(request)
    return {"route": {**route, **changes.rewrite}, **changes.headers}


class _Changes(NamedTuple):
    rewrite: Resource
    headers: Resource


def _filters(rule: Object) -> _Changes:
    rewrite: Resource = {}
    headers: Resource = {}
    for item in rule.get("filters") or ():
        if item["type"] == "URLRewrite":
            rewrite |= _rewrite(item["urlRewrite"], rule)
        else:
            side = "request" if item["type"] == "RequestHeaderModifier" else "response"
            for field, value in _modified(side, item[f"{side}HeaderModifier"]).items():
                headers[field] = [*headers.get(field, []), *value]
    return _Changes(rewrite, headers)


def _rewrite(wanted: Object, rule: Object) -> Resource:
    made: Resource = {"host_rewrite_literal": wanted["hostname"]} if "hostname" in wanted else {}
    path = wanted.get("path") or {}
    if path.get("type") == "ReplaceFullPath":
        made["regex_rewrite"] = {"pattern": {"regex": r"^/[^?]*"}, "substitution": path["replaceFullPath"]}
    elif path.get("type") == "ReplacePrefixMatch":
        prefix = next((m["path"]["value"] for m in rule.get("matches") or () if "path" in m), "/").rstrip("/")
        replacement = path.get("replacePrefixMatch", "/").rstrip("/")
        # Slashes at the seam are taken in, so that none is doubled.
        made["regex_rewrite"] = {
            "pattern": {"regex": rf"^{re.escape(prefix)}/*(.*)"},
            "substitution": rf"{replacement}/\1",
        }
    return made


def _modified(side: str, wanted: Object) -> dict[str, list[Any]]:
    actions = (("set", "OVERWRITE_IF_EXISTS_OR_ADD"), ("add", "APPEND_IF_EXISTS_OR_ADD"))
    added = [
        {"header": {"key": item["name"], "value": item["value"]}, "append_action": action}
        for verb, action in actions
        for item in wanted.get(verb) or ()
    ]
    made: dict[str, list[Any]] = {f"{side}_headers_to_add": added} if added else {}
    if wanted.get("remove"):
        made[f"{side}_headers_to_remove"] = list(wanted["remove"])
    return made


def _add_cluster(
    world: World, one: Attached, ref: Object, name: str, made: dict[str, dict[str, Resource]], client_certificate: bool
) -> None:
    service = Key(ref.get("namespace") or one.route["metadata"]["namespace"], ref["name"])
    found = backend(world, service, ref["port"])
    addresses = found.addresses if found else []
    policy, tls = _tls_policy(world, service, ref["port"]), None
    if policy:
        tls = _tls(world, service, policy, client_certificate)
        addresses = addresses if tls else []  # TLS is asked for and cannot be verified: nobody is reached
    made["clusters"][name] = http.cluster(name, http.fixed(name, addresses), tls)


def _tls(world: World, service: Key, policy: Object, client_certificate: bool) -> Resource | None:
    """What a BackendTLSPolicy says, with the Gateway's client certificate where it has one; None without its CA."""
    validation = policy["spec"]["validation"]
    ca = ""
    for reference in validation.get("caCertificateRefs") or ():
        found = world.get(CONFIG_MAP, Key(service.namespace, reference["name"])) or {}
        ca += (found.get("data") or {}).get("ca.crt", "")
    if not ca:
        return None
    sans = [{"san_type": "DNS", "matcher": {"exact": validation["hostname"]}}]
    return http.upstream_tls(validation["hostname"], ca, sans, CLIENT_CERTIFICATE if client_certificate else "")


def _tls_policy(world: World, service: Key, port: int) -> Object | None:
    """The policy that names the port goes before the one that names the whole Service."""
    found = world.get(SERVICE, service) or {}
    named = next((p.get("name") for p in (found.get("spec") or {}).get("ports") or () if p["port"] == port), None)
    candidates = [
        (target.get("sectionName") != named, policy["metadata"]["name"], policy)
        for policy in world.list(BACKEND_TLS_POLICY, service.namespace)
        for target in policy["spec"]["targetRefs"]
        if (target["kind"], target["name"]) == ("Service", service.name) and target.get("sectionName") in (None, named)
    ]
    return min(candidates)[2] if candidates else None
