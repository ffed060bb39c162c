"""The authorization of a SecurityPolicy → Envoy's matcher tree: rules in their order, and the first that matches decides.

Source: envoyproxy/gateway, internal/xds/translator/authorization.go. Before all rules stands one of our own: a token that
asks to be understood otherwise (`crit`, RFC 7515 §4.1.11) is refused, as Envoy understands no extension and looks at none.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator
from typing import Any

from ..objects.meta import Object
from . import cel, http
from .verdicts import Invalid

Resource = dict[str, Any]

FILTER = "envoy.filters.http.rbac"
_JWT = "envoy.filters.http.jwt_authn"
_INPUTS = "type.googleapis.com/envoy.extensions.matching.common_inputs.network.v3"
_METADATA = "type.googleapis.com/envoy.extensions.matching.input_matchers.metadata.v3.Metadata"
_IP = "type.googleapis.com/envoy.extensions.matching.input_matchers.ip.v3.Ip"
_ACTION = "type.googleapis.com/envoy.config.rbac.v3.Action"
_CEL_INPUT = "type.googleapis.com/xds.type.matcher.v3.HttpAttributesCelMatchInput"
_CEL = "type.googleapis.com/xds.type.matcher.v3.CelMatcher"
_HEADER_INPUT = "type.googleapis.com/envoy.type.matcher.v3.HttpRequestHeaderMatchInput"
_SCOPES = ("scope", "scp")
_PRESENT: Resource = {"present_match": True}
_ANYTHING: Resource = {"or_match": {"value_matchers": [{"list_match": {"one_of": _PRESENT}}, _PRESENT]}}


def header_key(provider: str) -> str:
    """Where in the metadata the header of a verified token stands; no provider's claims are ever there."""
    return f"header of {provider}"


def per_route(wanted: Object | None, providers: Iterable[str]) -> Resource:
    """Without rules every request passes that the providers let through. Raises Invalid, and NotCel."""
    matchers = [_matcher(_metadata([header_key(name), "crit"], _ANYTHING), "Deny", "crit") for name in providers]
    for index, rule in enumerate((wanted or {}).get("rules") or ()):
        matchers.append(_matcher(_all(list(_predicates(rule))), rule["action"], rule.get("name", f"rule-{index}")))
    default = "Allow" if wanted is None else wanted.get("defaultAction", "Deny")
    tree: Resource = {"on_no_match": _action(default, "default")}
    if matchers:
        tree["matcher_list"] = {"matchers": matchers}
    return http.message("rbac", "RBACPerRoute", rbac={"matcher": tree})


def _matcher(predicate: Resource, action: str, name: str) -> Resource:
    return {"predicate": predicate, "on_match": _action(action, name)}


def _predicates(rule: Object) -> Iterator[Resource]:
    principal = rule.get("principal") or {}
    if not principal and "cel" not in rule:
        raise Invalid(
            f"Authorization: rule {rule.get('name', '')!r} names nobody → give it a principal or a cel expression"
        )
    yield from _operation(rule.get("operation") or {})
    if "clientCIDRs" in principal:
        yield _client(principal["clientCIDRs"])
    if "cel" in rule:
        matcher = {"@type": _CEL, "expr_match": {"parsed_expr": cel.parse(rule["cel"])}}
        yield _single({"@type": _CEL_INPUT}, {"custom_match": {"name": "cel", "typed_config": matcher}})
    if "jwt" in principal:
        yield from _token(principal["jwt"])
    for header in principal.get("headers") or ():
        yield _header(header["name"].lower(), [{"exact": value} for value in header["values"]])


def _operation(wanted: Object) -> Iterator[Resource]:
    if "methods" in wanted:
        yield _header(":method", [{"exact": method, "ignore_case": True} for method in wanted["methods"]])
    if "path" in wanted:
        match = _header(":path", [_path(wanted["path"])])
        yield {"not_matcher": match} if wanted["path"].get("invert") else match


def _path(wanted: Object) -> Resource:
    """The header holds the query too."""
    kind, value = wanted.get("type", "PathPrefix"), wanted["value"]
    regex = {
        "Exact": f"{re.escape(value)}(?:[?#;].*)?",
        "PathPrefix": f"{re.escape(value.removesuffix('/'))}(?:[/?#;].*)?",
        "RegularExpression": value,
    }[kind]
    return {"safe_regex": {"regex": regex, "google_re2": {}}}


def _client(ranges: Iterable[str]) -> Resource:
    found = []
    for text in ranges:
        try:
            network = ipaddress.ip_network(text, strict=False)
        except ValueError as error:
            raise Invalid(f"Authorization: unable to translate authorization rule: {error}") from None
        found.append({"address_prefix": str(network.network_address), "prefix_len": network.prefixlen})
    matcher = {"@type": _IP, "cidr_ranges": found, "stat_prefix": "client_ip"}
    custom = {"custom_match": {"name": "ip", "typed_config": matcher}}
    return _single({"@type": f"{_INPUTS}.SourceIPInput"}, custom)


def _token(wanted: Object) -> Iterator[Resource]:
    provider = wanted["provider"]
    for scope in wanted.get("scopes") or ():
        listed = {"list_match": {"one_of": _exact(scope)}}
        yield _any([_metadata([provider, claim], listed) for claim in _SCOPES])
    for claim in wanted.get("claims") or ():
        path = [provider, *claim["name"].split(".")]
        yield _any([_metadata(path, _listed(claim, _exact(value))) for value in claim["values"]])


def _exact(value: str) -> Resource:
    return {"string_match": {"exact": value}}


def _listed(claim: Object, matcher: Resource) -> Resource:
    return {"list_match": {"one_of": matcher}} if claim.get("valueType") == "StringArray" else matcher


def _metadata(path: list[str], value: Resource) -> Resource:
    source = {"@type": f"{_INPUTS}.DynamicMetadataInput", "filter": _JWT, "path": [{"key": step} for step in path]}
    matcher = {"@type": _METADATA, "value": value}
    return _single(source, {"custom_match": {"name": "metadata", "typed_config": matcher}})


def _header(name: str, values: list[Resource]) -> Resource:
    source = {"@type": _HEADER_INPUT, "header_name": name}
    return _any([_single(source, {"value_match": value}) for value in values])


def _single(source: Resource, match: Resource) -> Resource:
    return {"single_predicate": {"input": {"name": "input", "typed_config": source}, **match}}


def _all(predicates: list[Resource]) -> Resource:
    return predicates[0] if len(predicates) == 1 else {"and_matcher": {"predicate": predicates}}


def _any(predicates: list[Resource]) -> Resource:
    return predicates[0] if len(predicates) == 1 else {"or_matcher": {"predicate": predicates}}


def _action(action: str, name: str) -> Resource:
    return {"action": {"name": name, "typed_config": {"@type": _ACTION, "name": name, "action": action.upper()}}}
