"""Objects of tier 1 on their way in → or 422, where what each field may hold does not go together."""

from __future__ import annotations

from collections.abc import Callable

from ...objects.meta import Object
from ...rules import client_traffic_policy, gateway_listeners
from ...rules import http_route as rules_of_routes
from ...rules import security_policy as rules_of_policies
from ..structural import invalid
from . import Admit, Plugin


def validated(problems: Callable[[Object], list[tuple[str, str]]]) -> Plugin:
    def check(admit: Admit) -> Object | None:
        obj = admit.object
        if obj is not None and not admit.subresource and (found := problems(obj)):
            raise invalid(admit.kind.kind, admit.kind.group, obj["metadata"].get("name", ""), found)
        return obj

    return check


gateway = validated(gateway_listeners.problems)
http_route = validated(rules_of_routes.problems)
client_traffic = validated(client_traffic_policy.problems)
security_policy = validated(rules_of_policies.problems)
