"""headers.earlyRequestHeaders and lateResponseHeaders of a ClientTrafficPolicy → Envoy's list of changes, in its order.

Source of order and messages: envoyproxy/gateway, internal/gatewayapi/clienttrafficpolicy.go.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..objects.meta import Object
from ..rules.http_route_unserved import wrong_regex, wrong_value
from .verdicts import Invalid

Resource = dict[str, Any]

_VERBS = {
    "add": "APPEND_IF_EXISTS_OR_ADD",
    "set": "OVERWRITE_IF_EXISTS_OR_ADD",
    "addIfAbsent": "ADD_IF_ABSENT",
}
_MATCHES = {"Exact": "exact", "Prefix": "prefix", "Suffix": "suffix"}


def mutations(wanted: Object, kind: str) -> list[Resource]:
    """`kind` is what the change is called in messages. Raises Invalid."""
    made = [*_added(wanted, kind)]
    made += [{"remove": name} for name in {text.lower(): text for text in wanted.get("remove") or ()}.values()]
    made += [{"remove_on_match": {"key_matcher": string(item)}} for item in wanted.get("removeOnMatch") or ()]
    if not made:
        raise Invalid(f"{kind} did not provide valid configuration to add/set/remove any headers")
    return made


def string(item: Object) -> Resource:
    """A StringMatch; raises Invalid for an expression that cannot be read."""
    if (kind := item.get("type", "Exact")) != "RegularExpression":
        return {_MATCHES[kind]: item["value"]}
    if why := wrong_regex(item["value"]):
        raise Invalid(f'regex "{item["value"]}" is invalid: {why}')
    return {"safe_regex": {"regex": item["value"]}}


def _added(wanted: Object, kind: str) -> Iterator[Resource]:
    """A header that is named twice, in whatever case, is changed once."""
    seen: set[str] = set()
    for verb, action in _VERBS.items():
        for item in wanted.get(verb) or ():
            if why := wrong_value(item["value"]):
                raise Invalid(f'{kind} cannot {verb} a header with an invalid value. Header: "{item["name"]}"{why}')
            if item["name"].lower() not in seen:
                seen.add(item["name"].lower())
                yield {"append": {"header": {"key": item["name"], "value": item["value"]}, "append_action": action}}
