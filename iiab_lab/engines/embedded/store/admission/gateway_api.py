"""Gateways, HTTPRoutes and SecurityPolicies on their way in → or 422, where what each field may hold does not go together."""

from __future__ import annotations

from collections.abc import Callable

from ...objects.meta import Object
from ...rules import gateway_listeners
from ...rules import http_route as rules_of_routes
from ...rules import security_policy as rules_of_policies
from ..structural import invalid
from . import Admit, Plugin


def _validated(problems: Callable[[Object], list[tuple[str, str]]]) -> Plugin:
    def check(admit: Admit) -> Object | None:
        obj = admit.object
        if obj is not None and not admit.subresource and (found := problems(obj)):
            raise invalid(admit.kind.kind, admit.kind.group, obj["metadata"].get("name", ""), found)
        return obj

    return check


gateway = _validated(gateway_listeners.problems)
http_route = _validated(rules_of_routes.problems)
security_policy = _validated(rules_of_policies.problems)
