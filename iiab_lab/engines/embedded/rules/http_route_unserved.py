"""A rule of an HTTPRoute that the API lets in → why it cannot be served, found without asking Envoy.

Envoy takes a route table as a whole or not at all: what it refuses in one route would stop them all. A rule whose matches are
wrong is left out; one whose filters are wrong answers 500, so that its requests do not fall through to another rule.
Source: envoyproxy/gateway, internal/gatewayapi/{route,filters}.go; the constraints in Envoy's API (envoy/config/route/v3).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from ..objects.meta import Object
from . import regexes

_VALUE = re.compile(r"[!-~]+(?:[\t ]?[!-~]+)*")
_COMMAND = re.compile(r"%(?:%|[A-Z0-9_]+(?:\([^()]*\))?(?::\d+)?%)")
_LONGEST_LABEL = 63
_MODIFIERS = ("requestHeaderModifier", "responseHeaderModifier")
_OF_BACKENDS = ("RequestHeaderModifier", "ResponseHeaderModifier", "URLRewrite")


class Problem(NamedTuple):
    reason: str
    message: str
    drops: bool
    """Whether the rule is left out; else it answers 500."""


def problems(rule: Object) -> list[Problem]:
    found = [
        Problem("UnsupportedValue", said, drops=True) for match in rule.get("matches") or () for said in _regexes(match)
    ]
    filters = rule.get("filters") or ()
    kinds = {item["type"] for item in filters}
    if {"RequestMirror", "RequestRedirect"} <= kinds:
        said = "RequestMirror filter cannot be used when the rule also configures a RequestRedirect filter"
        found.append(Problem("IncompatibleFilters", said, drops=False))
    found += [Problem("UnsupportedValue", said, drops=False) for item in filters for said in _filter(item)]
    return found


def backend_filters(ref: Object) -> tuple[str, str] | None:
    """(reason, message) of filters that a backendRef cannot have: Envoy changes headers and the host by backend, no path."""
    filters = ref.get("filters") or ()
    if any("path" in item.get("urlRewrite", {}) for item in filters):
        return "UnsupportedRefValue", "URLRewrite path modifier is not supported within BackendRef"
    if any(item["type"] not in _OF_BACKENDS for item in filters):
        named = f"{', '.join(_OF_BACKENDS[:-1])} and {_OF_BACKENDS[-1]}"
        return "UnsupportedRefValue", f"Specific filter is not supported within BackendRef, only {named} are supported"
    wrong = [said for item in filters for said in _filter(item)]
    return ("InvalidBackendFilters", "; ".join(wrong)) if wrong else None


def _regexes(match: Object) -> Iterator[str]:
    path = match.get("path") or {}
    conditions = [path, *(match.get("headers") or ()), *(match.get("queryParams") or ())]
    for text in (item["value"] for item in conditions if item.get("type") == "RegularExpression"):
        if why := wrong_regex(text):
            yield f'regex "{text}" is invalid: {why}'


@lru_cache(maxsize=8192)
def wrong_regex(text: str) -> str:
    return regexes.error(text) if text else "it must not be empty"


def _filter(item: Object) -> Iterator[str]:
    for field in _MODIFIERS:
        if field in item:
            yield from _headers(item["type"], item[field])
    for field in ("urlRewrite", "requestRedirect"):
        wanted = item.get(field) or {}
        yield from _host(wanted.get("hostname"))
        for name, text in (wanted.get("path") or {}).items():
            if regexes.BROKEN.search(text):
                yield f"{name} {text!r} must not hold a line break or a null character"


def _headers(kind: str, wanted: Object) -> Iterator[str]:
    for verb in ("add", "set"):
        for item in wanted.get(verb) or ():
            yield from _unmodifiable(kind, verb, item["name"])
            if why := wrong_value(item["value"]):
                yield f'Header: "{item["name"]}". {kind} Filter cannot {verb} a header with an invalid value{why}'
    for name in wanted.get("remove") or ():
        if not name or regexes.BROKEN.search(name):
            yield f"{kind} Filter cannot remove a header named {name!r}"
        yield from _unmodifiable(kind, "remove", name)


def _unmodifiable(kind: str, verb: str, name: str) -> Iterator[str]:
    if "/" in name or ":" in name or name.lower() == "host":
        cannot = f"The {kind} filter cannot {verb} the Host header or headers with a '/' or ':' character in them."
        cure = " To modify the Host header use the URLRewrite filter." if verb != "remove" else ""
        yield f'Header: "{name}". {cannot}{cure}'


def wrong_value(text: str) -> str:
    """Envoy reads a percent sign as the begin of a variable, such as %REQ(x-user)%."""
    if not _VALUE.fullmatch(text):
        return "."
    return ": a percent sign begins a variable; write %% for the sign itself." if "%" in _COMMAND.sub("", text) else ""


def _host(name: str | None) -> Iterator[str]:
    if name is None:
        return
    try:
        ipaddress.ip_address(name)
    except ValueError:
        long = next((label for label in name.split(".") if len(label) > _LONGEST_LABEL), None)
        if long:
            yield f'label: "{long}" in hostname "{name}" cannot exceed {_LONGEST_LABEL} characters'
    else:
        yield f'hostname: "{name}" cannot be an ip address'
