"""Header changes of a VirtualService → Envoy's, and the authority that they set: Envoy sets that by the route, not by a header."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from ..objects.meta import Object
from ..rules.istio.words import is_authority

Resource = dict[str, Any]

_ACTIONS = {"set": "OVERWRITE_IF_EXISTS_OR_ADD", "add": "APPEND_IF_EXISTS_OR_ADD"}


class Changes(NamedTuple):
    fields: Resource
    authority: str


_NONE = Changes({}, "")


def translate(headers: Object | None) -> Changes:
    if not headers:
        return _NONE
    made: Resource = {}
    for side, field in (("request", "request_headers"), ("response", "response_headers")):
        changes = headers.get(side) or {}
        if added := [
            _header(name, value, verb) for verb in _ACTIONS for name, value in _own(changes.get(verb)).items()
        ]:
            made[f"{field}_to_add"] = added
        if changes.get("remove"):
            made[f"{field}_to_remove"] = list(changes["remove"])
    return Changes(made, authority(headers))


def authority(headers: Object | None) -> str:
    request = (headers or {}).get("request") or {}
    set_to = [value for verb in _ACTIONS for name, value in (request.get(verb) or {}).items() if is_authority(name)]
    return next(iter(set_to), "")


def merged(outer: Object | None, inner: Object | None) -> Object:
    """Both, the inner last."""
    wanted: Object = {}
    for headers in (outer or {}, inner or {}):
        for side, changes in headers.items():
            for verb, values in changes.items():
                known = wanted.setdefault(side, {})
                before = known.get(verb)
                known[verb] = {**(before or {}), **values} if isinstance(values, dict) else [*(before or []), *values]
    return wanted


def joined(first: Resource, then: Resource) -> Resource:
    """Envoy's fields of both, in this order."""
    return {name: [*first.get(name, []), *then.get(name, [])] for name in {**first, **then}}


def _own(values: Mapping[str, str] | None) -> dict[str, str]:
    return {name: value for name, value in (values or {}).items() if not is_authority(name)}


def _header(name: str, value: str, verb: str) -> Resource:
    return {"header": {"key": name, "value": value}, "append_action": _ACTIONS[verb]}
