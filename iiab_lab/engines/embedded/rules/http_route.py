"""An HTTPRoute as it comes in → what the expressions (CEL) of its CustomResourceDefinition refuse, and where.

The schema says what a field may hold; these say which go together. Source of the rules and their words: kubernetes-sigs/gateway-api,
config/crd/standard, x-kubernetes-validations.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from ..objects.meta import Object
from .autoscaling.literals import duration

Found = Iterator[tuple[str, str]]
"""(field, message)"""

_FILTERS = {
    "CORS": "cors",
    "RequestHeaderModifier": "requestHeaderModifier",
    "ResponseHeaderModifier": "responseHeaderModifier",
    "RequestMirror": "requestMirror",
    "RequestRedirect": "requestRedirect",
    "URLRewrite": "urlRewrite",
}
_MOST_MATCHES = 128
_PATH = re.compile(r"(?:[-A-Za-z0-9/._~!$&'()*+,;=:@]|%[0-9a-fA-F]{2})+")
_SEQUENCES = ("//", "/./", "/../", "%2f", "%2F", "#")
_ENDS = ("/..", "/.")


def problems(obj: Object) -> list[tuple[str, str]]:
    spec = obj.get("spec") or {}
    rules = spec.get("rules") or []
    found = list(_parents(spec.get("parentRefs") or []))
    if sum(len(rule.get("matches") or ()) for rule in rules) > _MOST_MATCHES:
        said = f"While 16 rules and 64 matches per rule are allowed, the total number of matches across all rules in a route must be less than {_MOST_MATCHES}"
        found.append(("spec.rules", _invalid("array", said)))
    return found + [one for index, rule in enumerate(rules) for one in _rule(rule, f"spec.rules[{index}]")]


def _invalid(kind: str, said: str) -> str:
    return f'Invalid value: "{kind}": {said}'


def _parents(parents: Sequence[Object]) -> Found:
    """To one parent either as a whole, or by sections that differ."""
    sections: dict[Any, list[str]] = {}
    for parent in parents:
        named = (parent.get("group"), parent.get("kind"), parent.get("namespace", ""), parent["name"])
        sections.setdefault(named, []).append(parent.get("sectionName", ""))
    same = "when parentRefs includes 2 or more references to the same parent"
    if any("" in names and set(names) != {""} for names in sections.values()):
        yield "spec.parentRefs", _invalid("array", f"sectionName must be specified {same}")
    if any(len(set(names)) < len(names) for names in sections.values()):
        yield "spec.parentRefs", _invalid("array", f"sectionName must be unique {same}")


def _rule(rule: Object, path: str) -> Found:
    filters, refs = rule.get("filters") or [], rule.get("backendRefs") or []
    if refs and any("requestRedirect" in item for item in filters):
        yield path, _invalid("object", "RequestRedirect filter must not be used together with backendRefs")
    yield from _replaced_prefixes(rule, filters, path, "When")
    for ref in refs:
        yield from _replaced_prefixes(rule, ref.get("filters") or [], path, "Within backendRefs, when")
    for index, match in enumerate(rule.get("matches") or ()):
        yield from _path(match.get("path") or {}, f"{path}.matches[{index}].path")
    yield from _filters(filters, f"{path}.filters")
    for index, ref in enumerate(refs):
        yield from _port(ref, f"{path}.backendRefs[{index}]")
        yield from _filters(ref.get("filters") or [], f"{path}.backendRefs[{index}].filters")
    yield from _timeouts(rule.get("timeouts") or {}, f"{path}.timeouts")


def _replaced_prefixes(rule: Object, filters: Sequence[Object], path: str, when: str) -> Found:
    matches = rule.get("matches") or []
    by_prefix = len(matches) == 1 and (matches[0].get("path") or {}).get("type") == "PathPrefix"
    for kind in ("RequestRedirect", "URLRewrite"):
        asked = [(item.get(_FILTERS[kind]) or {}).get("path") or {} for item in filters]
        if not by_prefix and any("replacePrefixMatch" in one for one in asked):
            said = f"{when} using {kind} filter with path.replacePrefixMatch, exactly one PathPrefix match must be specified"
            yield path, _invalid("object", said)


def _path(path: Object, where: str) -> Found:
    value = path.get("value", "/")
    if path.get("type", "PathPrefix") == "RegularExpression":
        return
    of = "when type one of ['Exact', 'PathPrefix']"
    if not value.startswith("/"):
        yield where, _invalid("object", f"value must be an absolute path and start with '/' {of}")
    for part in _SEQUENCES:
        if part in value:
            yield where, _invalid("object", f"must not contain '{part}' {of}")
    for end in _ENDS:
        if value.endswith(end):
            yield where, _invalid("object", f"must not end with '{end}' {of}")
    if not _PATH.fullmatch(value):
        said = r"must only contain valid characters (matching ^(?:[-A-Za-z0-9/._~!$&'()*+,;=:@]|[%][0-9a-fA-F]{2})+$) for types ['Exact', 'PathPrefix']"
        yield where, _invalid("object", said)


def _filters(filters: Sequence[Object], path: str) -> Found:
    kinds = [item["type"] for item in filters]
    if {"RequestRedirect", "URLRewrite"} <= set(kinds):
        said = "May specify either httpRouteFilterRequestRedirect or httpRouteFilterRequestRewrite, but not both"
        yield path, _invalid("array", said)
    for kind in _FILTERS:
        if kinds.count(kind) > 1 and kind != "RequestMirror":
            yield path, _invalid("array", f"{kind} filter cannot be repeated")
    for index, item in enumerate(filters):
        yield from _filter(item, f"{path}[{index}]")


def _filter(item: Object, path: str) -> Found:
    for kind, field in _FILTERS.items():
        if field in item and item["type"] != kind:
            yield path, _invalid("object", f"filter.{field} must be nil if the filter.type is not {kind}")
        if field not in item and item["type"] == kind:
            yield path, _invalid("object", f"filter.{field} must be specified for {kind} filter.type")
    for field in ("requestRedirect", "urlRewrite"):
        yield from _modifier((item.get(field) or {}).get("path"), f"{path}.{field}.path")
    yield from _mirror(item.get("requestMirror"), f"{path}.requestMirror")
    yield from _wildcards(item.get("cors") or {}, f"{path}.cors")


def _modifier(wanted: Object | None, path: str) -> Found:
    if wanted is None:
        return
    for kind in ("ReplaceFullPath", "ReplacePrefixMatch"):
        field = kind[0].lower() + kind[1:]
        if wanted["type"] == kind and field not in wanted:
            yield path, _invalid("object", f"{field} must be specified when type is set to '{kind}'")
        if wanted["type"] != kind and field in wanted:
            yield path, _invalid("object", f"type must be '{kind}' when {field} is set")


def _mirror(mirror: Object | None, path: str) -> Found:
    if mirror is None:
        return
    if {"percent", "fraction"} <= mirror.keys():
        said = "Only one of percent or fraction may be specified in HTTPRequestMirrorFilter"
        yield path, _invalid("object", said)
    fraction = mirror.get("fraction") or {"numerator": 0}
    if fraction["numerator"] > fraction.get("denominator", 100):
        yield f"{path}.fraction", _invalid("object", "numerator must be less than or equal to denominator")
    yield from _port(mirror["backendRef"], f"{path}.backendRef")


def _port(ref: Object, path: str) -> Found:
    if (ref.get("group", ""), ref.get("kind", "Service")) == ("", "Service") and "port" not in ref:
        yield path, _invalid("object", "Must have port for Service reference")


def _wildcards(cors: Object, path: str) -> Found:
    for field, others in (("allowHeaders", "methods"), ("allowMethods", "methods"), ("allowOrigins", "origins")):
        if "*" in (cors.get(field) or ()) and len(cors[field]) > 1:
            name = field[0].upper() + field[1:]
            yield f"{path}.{field}", _invalid("array", f"{name} cannot contain '*' alongside other {others}")


def _timeouts(timeouts: Object, path: str) -> Found:
    request, backend = (duration(timeouts.get(name, "0s")) for name in ("request", "backendRequest"))
    if 0 < request < backend:
        yield path, _invalid("object", "backendRequest timeout cannot be longer than request timeout")
