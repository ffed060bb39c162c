"""Routes and a Revision → whether a route leads to it: Knative's labeler.

Source: knative/serving, pkg/reconciler/labeler. What no route leads to any more may go to zero, whatever its min-scale says,
and is collected some day.
"""

from __future__ import annotations

from ..objects.conditions import find
from ..objects.meta import Object, labels_of
from ..objects.names import KN_CONFIGURATION, KN_ROUTING_STATE
from . import knative

ACTIVE, RESERVE, PENDING = "active", "reserve", "pending"


def state(revision: Object) -> str:
    return labels_of(revision).get(KN_ROUTING_STATE, PENDING)


def wanted(revision: Object, routed: bool) -> str:
    """active: a route leads to it; reserve: one did; pending: none has yet."""
    before = state(revision)
    return ACTIVE if routed else RESERVE if before == ACTIVE else before


def leads(route: Object, revision: Object, configuration: Object | None) -> bool:
    """By its name; or as the newest of a Configuration that the Route follows, ready or not, so that it is up when it is
    ready. `configuration` is the Revision's."""
    name, asked = revision["metadata"]["name"], route["spec"].get("traffic") or ()
    now = (route.get("status") or {}).get("traffic") or ()
    if name in {target.get("revisionName") for target in (*asked, *now)}:
        return True
    created = ((configuration or {}).get("status") or {}).get("latestCreatedRevisionName")
    followed = {target.get("configurationName") for target in asked}
    return created == name and labels_of(revision).get(KN_CONFIGURATION) in followed


def settled(route: Object) -> bool:
    """Whether it leads where its spec says, or cannot: until then what it led to before may still be asked."""
    return knative.is_current(route) and (find(route, "Ready") or {}).get("status") in ("True", "False")
