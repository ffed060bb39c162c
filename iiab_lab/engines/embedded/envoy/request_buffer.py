"""requestBuffer of a BackendTrafficPolicy → a request is taken in whole before it goes on, and one too long is answered 413.

Source of the messages: envoyproxy/gateway, internal/gatewayapi/backendtrafficpolicy.go.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..objects import quantities
from ..objects.meta import Object
from . import http

Resource = dict[str, Any]

_FILTER = "envoy.filters.http.buffer"
_MOST = 2**32 - 1


def http_filter() -> Resource:
    """Takes in whole only what a route's policy says. Always there: a filter that comes or goes ends connections."""
    return http.http_filter("buffer", max_request_bytes=1) | {"disabled": True}


def per_route(spec: Object) -> dict[str, Resource]:
    return {_FILTER: http.message("buffer", "BufferPerRoute", buffer={"max_request_bytes": _limit(spec)})}


def wrong(spec: Object) -> str:
    if "requestBuffer" not in spec or 0 <= _limit(spec) <= _MOST:
        return ""
    limit = spec["requestBuffer"]["limit"]
    return f"RequestBuffer: limit value {limit} is out of range, must be between 0 and {_MOST}."


def announced(routes: Sequence[Resource]) -> list[Resource]:
    """Before the routes of a host: a body said to be longer than any of them takes is refused before it comes.

    The buffer alone would wait for the bytes, and whoever announces 4 GiB and sends nothing would hold his place.
    """
    forwarding = [one for one in routes if "route" in one]
    buffers = [one.get("typed_per_filter_config", {}).get(_FILTER) for one in forwarding]
    limits = [one["buffer"]["max_request_bytes"] for one in buffers if one]
    if not limits or len(limits) < len(forwarding):
        return []
    longer = {"start": str(max(limits) + 1), "end": str(2**63 - 1)}
    match = {"prefix": "/", "headers": [{"name": "content-length", "range_match": longer}]}
    answer = {"status": 413, "body": {"inline_string": "Payload Too Large"}}
    return [{"name": "too-large", "match": match, "direct_response": answer}]


def _limit(spec: Object) -> int:
    return int(quantities.parse(spec["requestBuffer"]["limit"]))
