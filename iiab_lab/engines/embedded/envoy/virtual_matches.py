"""Conditions of a VirtualService → a route's match. One condition of several is enough; in each of them all must hold.

Source: istio/istio, pilot/pkg/networking/core/route.
"""

from __future__ import annotations

from typing import Any

import re2

from ..objects.meta import Object

Resource = dict[str, Any]

_EVERYTHING: Resource = {"prefix": "/"}


def is_catch_all(match: Resource) -> bool:
    path = match.get("prefix") == "/" or match.get("safe_regex", {}).get("regex") == ".*"
    return path and not ({"headers", "query_parameters"} & set(match))


def translate(match: Object) -> Resource:
    made = dict(_EVERYTHING)
    if uri := match.get("uri"):
        kind, value = next(iter(uri.items()))
        made = {"safe_regex": {"regex": value}} if kind == "regex" else {"path" if kind == "exact" else kind: value}
    if match.get("ignoreUriCase"):
        made["case_sensitive"] = False
    if headers := _headers(match):
        made["headers"] = headers
    if queries := match.get("queryParams"):
        made["query_parameters"] = [{"name": name, **_condition(value)} for name, value in sorted(queries.items())]
    return made


def _headers(match: Object) -> list[Resource]:
    wanted = [{"name": name.lower(), **_condition(value)} for name, value in (match.get("headers") or {}).items()]
    for name, value in (match.get("withoutHeaders") or {}).items():
        # A header that is missing holds no value: a condition on its value is not met, and the route is taken.
        missing = {} if _is_presence(value) else {"treat_missing_header_as_empty": True}
        wanted.append({"name": name.lower(), **_condition(value), "invert_match": True, **missing})
    wanted.sort(key=lambda header: header["name"])
    for field in ("method", "authority", "scheme"):
        if field in match:
            wanted.append({"name": f":{field}", **_condition(match[field])})
    return wanted


def _is_presence(value: Object) -> bool:
    return not value or value.get("regex") == "*"


def _condition(value: Object) -> Resource:
    """An empty condition, and the regex `*`, ask for presence."""
    if _is_presence(value):
        return {"present_match": True}
    kind, text = next(iter(value.items()))
    return {"string_match": {"safe_regex": {"regex": text}} if kind == "regex" else {kind: text}}


def holds(value: Object, text: str) -> bool:
    """Whether a text meets a condition: for what is known before any request."""
    kind, wanted = next(iter(value.items()), ("prefix", ""))
    if kind == "regex":
        return bool(re2.fullmatch(wanted, text))
    return text == wanted if kind == "exact" else text.startswith(wanted)
