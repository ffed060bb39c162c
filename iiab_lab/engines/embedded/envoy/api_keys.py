"""apiKeyAuth of a SecurityPolicy → Envoy's API key filter: which keys open its routes, where they stand in a request.

Each Secret's data holds client id → key. The filter tells the upstream who it was and, where asked to, hides the key.
"""

from __future__ import annotations

import base64
from typing import Any

from ..objects.kinds import SECRET, Key
from ..objects.meta import Object
from . import http
from .references import granted
from .verdicts import Invalid
from .world import World

Resource = dict[str, Any]

FILTER = "envoy.filters.http.api_key_auth"


def per_route(world: World, policy: Object) -> Resource:
    """Raises Invalid for a Secret that is not there or not granted, and for one key of two clients."""
    wanted = policy["spec"]["apiKeyAuth"]
    made: Resource = {"credentials": _credentials(world, policy), "key_sources": _sources(wanted)}
    header, hide = wanted.get("forwardClientIDHeader"), wanted.get("sanitize", False)
    if header or hide:
        made["forwarding"] = ({"header": header} if header else {}) | {"hide_credentials": hide}
    return http.message("api_key_auth", "ApiKeyAuthPerRoute", **made)


def http_filter() -> Resource:
    """Asks nobody for a key but on the routes of a policy."""
    return http.http_filter("api_key_auth") | {"disabled": True}


def _credentials(world: World, policy: Object) -> list[Resource]:
    clients: dict[str, str] = {}
    for ref in policy["spec"]["apiKeyAuth"]["credentialRefs"]:
        key = Key(ref.get("namespace") or policy["metadata"]["namespace"], ref["name"])
        secret = world.get(SECRET, key)
        if not granted(world, policy, key, "Secret"):
            raise Invalid(f"APIKeyAuth: Secret {key} is not permitted by any ReferenceGrant")
        if secret is None:
            raise Invalid(f"APIKeyAuth: Secret {key} not found")
        for client, encoded in sorted((secret.get("data") or {}).items()):
            value = base64.b64decode(encoded).decode()
            if clients.setdefault(value, client) != client:
                raise Invalid(f"APIKeyAuth: {client} and {clients[value]} have the same key")
    return [{"key": value, "client": client} for value, client in clients.items()]


def _sources(wanted: Object) -> list[Resource]:
    kinds = {"headers": "header", "params": "query", "cookies": "cookie"}
    return [
        {kinds[place]: name} for source in wanted["extractFrom"] for place in kinds for name in source.get(place) or ()
    ]
