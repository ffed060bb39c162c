"""The filters of an HTTPRoute's rule, or of one of its backendRefs → what Envoy changes, where it redirects, whom it mirrors to.

Source: envoyproxy/gateway, internal/gatewayapi/filters.go and internal/xds/translator/{route,cors}.go.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from ..objects.meta import Object
from . import http

Resource = dict[str, Any]

_WELL_KNOWN_PORTS = (80, 443)
_SIDES = {"RequestHeaderModifier": "request", "ResponseHeaderModifier": "response"}
_APPENDED = {"add": "APPEND_IF_EXISTS_OR_ADD", "set": "OVERWRITE_IF_EXISTS_OR_ADD"}
_MILLION = 1_000_000


@dataclass
class Changes:
    """`rewrite` is a part of Envoy's route action, `beside` stands next to it; `redirect` takes the action's place."""

    rewrite: Resource = field(default_factory=dict)
    beside: Resource = field(default_factory=dict)
    redirect: Resource | None = None
    mirrors: list[tuple[int, Object]] = field(default_factory=list)
    """(index of the filter, the filter)"""


def changes(filters: Iterable[Object], prefix: str) -> Changes:
    """`prefix`: of the path, as far as the rule matches one."""
    made = Changes()
    for index, item in enumerate(filters):
        if item["type"] == "URLRewrite":
            made.rewrite |= _rewrite(item["urlRewrite"], prefix)
        elif item["type"] == "RequestRedirect":
            made.redirect = _redirect(item["requestRedirect"], prefix)
        elif item["type"] == "RequestMirror":
            made.mirrors.append((index, item["requestMirror"]))
        elif item["type"] == "CORS":
            made.beside["typed_per_filter_config"] = {http.CORS: _cors(item["cors"])}
        else:
            side = _SIDES[item["type"]]
            made.beside |= _modified(side, item[f"{side}HeaderModifier"])
    return made


def fraction(mirror: Object) -> Resource | None:
    """`fraction`, or `percent`, or all of the requests; None for none of them. To the nearest millionth."""
    given = mirror.get("fraction") or {"numerator": mirror.get("percent", 100)}
    share = round(given["numerator"] * _MILLION / given.get("denominator", 100))
    return {"numerator": share, "denominator": "MILLION"} if share else None


def redirected_at(port: int, route: Resource) -> Resource:
    """A redirect that says neither scheme nor port stays at the listener's port, of which a well-known one is not written."""
    action = route.get("redirect")
    if action is None or port in _WELL_KNOWN_PORTS or {"scheme_redirect", "port_redirect"} & action.keys():
        return route
    return {**route, "redirect": {**action, "port_redirect": port}}


def _rewrite(wanted: Object, prefix: str) -> Resource:
    made: Resource = {}
    if "hostname" in wanted:
        made |= {"host_rewrite_literal": wanted["hostname"], "append_x_forwarded_host": True}
    path = wanted.get("path") or {}
    if path.get("type") == "ReplaceFullPath":
        made["regex_rewrite"] = _substitution("^/.*$", path["replaceFullPath"])
    elif path:
        made |= _prefix_replaced(prefix, path["replacePrefixMatch"])
    return made


def _redirect(wanted: Object, prefix: str) -> Resource:
    made: Resource = {}
    if "scheme" in wanted:
        made["scheme_redirect"] = wanted["scheme"]
    if "hostname" in wanted:
        made["host_redirect"] = wanted["hostname"]
    if "port" in wanted:
        made["port_redirect"] = _written(wanted)
    path = wanted.get("path") or {}
    if path.get("type") == "ReplaceFullPath":
        made["path_redirect"] = path["replaceFullPath"]
    elif path:
        made |= _prefix_replaced(prefix, path["replacePrefixMatch"])
    code = http.REDIRECTS.get(wanted.get("statusCode", 302))
    return made | ({"response_code": code} if code else {})


def _written(wanted: Object) -> int:
    """A well-known port is not written (Envoy's 0), but under the other scheme."""
    odd = (wanted.get("scheme"), wanted["port"]) in (("http", 443), ("https", 80))
    return int(wanted["port"]) if odd or wanted["port"] not in _WELL_KNOWN_PORTS else 0


def _prefix_replaced(prefix: str, replacement: str) -> Resource:
    """Whole segments are replaced, and no slash at the seam is doubled or lost."""
    own, new = prefix.rstrip("/"), replacement.rstrip("/")
    if own and new:
        return {"prefix_rewrite": new}
    return {"regex_rewrite": _substitution(f"^{re.escape(own)}/*", f"{new}/")}


def _substitution(pattern: str, text: str) -> Resource:
    """A backslash in the text is no reference to a group."""
    return {"pattern": {"regex": pattern}, "substitution": text.replace("\\", "\\\\")}


def _modified(side: str, wanted: Object) -> Resource:
    added = list(_added(wanted))
    made: Resource = {f"{side}_headers_to_add": added} if added else {}
    if wanted.get("remove"):
        made[f"{side}_headers_to_remove"] = list(wanted["remove"])
    return made


def _added(wanted: Object) -> Iterator[Resource]:
    """A header that is named twice, in whatever case, is changed once."""
    seen: set[str] = set()
    for verb, action in _APPENDED.items():
        for item in wanted.get(verb) or ():
            if item["name"].lower() not in seen:
                seen.add(item["name"].lower())
                yield {"header": {"key": item["name"], "value": item["value"]}, "append_action": action}


def _cors(wanted: Object) -> Resource:
    return http.message(
        "cors",
        "CorsPolicy",
        allow_origin_string_match=[_origin(text) for text in wanted.get("allowOrigins") or ()],
        allow_credentials=wanted.get("allowCredentials", False),
        max_age=str(wanted.get("maxAge", 5)),
        forward_not_matching_preflights=False,
        **http.cors_lists(wanted, ", "),
    )


def _origin(text: str) -> Resource:
    if "*" not in text:
        return {"exact": text}
    return {"safe_regex": {"regex": ".*".join(map(re.escape, text.split("*")))}}
