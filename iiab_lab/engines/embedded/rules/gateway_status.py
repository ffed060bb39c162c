"""What the edge's translation found → the statuses of the Gateway, its routes and its policies. Gateway API's conditions."""

from __future__ import annotations

from collections.abc import Mapping

from ..envoy.attachment import Attached, Verdict
from ..envoy.edge import Edge
from ..objects.conditions import Condition, condition, merge
from ..objects.meta import Object

CONTROLLER = "gateway.envoyproxy.io/gatewayclass-controller"


def stamped(obj: Object, before: list[Condition] | None, verdicts: Mapping[str, Verdict], now: str) -> list[Condition]:
    """metav1 conditions: with message always, and the generation they speak of."""
    generation = obj["metadata"].get("generation", 1)
    made = [
        {"message": "", **condition(type_, v.holds, v.reason, v.message, now=now, observedGeneration=generation)}
        for type_, v in verdicts.items()
    ]
    return merge(before, made)


def gateway(obj: Object, edge: Edge, programmed: Verdict, now: str) -> Object:
    before = obj.get("status") or {}
    accepted = Verdict(True, "Accepted", "The Gateway has been scheduled by Envoy Gateway")
    if not all(verdict.holds for verdict in edge.listeners.values()):
        accepted = Verdict(True, "ListenersNotValid", "At least one of the Listeners is not valid")
    return {
        "addresses": [{"type": "IPAddress", "value": "127.0.0.1"}],
        "conditions": stamped(obj, before.get("conditions"), {"Accepted": accepted, "Programmed": programmed}, now),
        "listeners": [_listener(obj, listener, edge, programmed, now) for listener in obj["spec"]["listeners"]],
    }


def _listener(obj: Object, listener: Object, edge: Edge, programmed: Verdict, now: str) -> Object:
    resolved = edge.listeners[listener["name"]]
    count = sum(
        any(listener["name"] == taken["name"] for taken in one.listeners) for one in edge.attached if one.accepted.holds
    )
    in_force = (
        programmed
        if resolved.holds
        else Verdict(False, "Invalid", "Listener is invalid, see other Conditions for details.")
    )
    verdicts = {
        "Accepted": Verdict(True, "Accepted", "Listener has been successfully translated"),
        "Programmed": in_force,
        "ResolvedRefs": resolved,
    }
    known = (obj.get("status") or {}).get("listeners") or []
    before = next((item.get("conditions") for item in known if item["name"] == listener["name"]), None)
    return {
        "name": listener["name"],
        "attachedRoutes": count,
        "supportedKinds": [{"group": "gateway.networking.k8s.io", "kind": "HTTPRoute"}],
        "conditions": stamped(obj, before, verdicts, now),
    }


def route(obj: Object, found: list[Attached], parked: Mapping[str, str], now: str) -> Object:
    """Our entry of status.parents for each parentRef; those of other controllers stay."""
    before = (obj.get("status") or {}).get("parents") or []
    parents = [parent for parent in before if parent["controllerName"] != CONTROLLER]
    for one in found:
        accepted = one.accepted
        if one.name in parked:
            accepted = Verdict(False, "UnsupportedValue", f"Envoy refuses this route: {parked[one.name]}")
        known = next(
            (p["conditions"] for p in before if p["parentRef"] == one.parent and p["controllerName"] == CONTROLLER),
            None,
        )
        verdicts = {"Accepted": accepted, "ResolvedRefs": one.resolved}
        parents.append(
            {"parentRef": one.parent, "controllerName": CONTROLLER, "conditions": stamped(obj, known, verdicts, now)}
        )
    return {"parents": parents}


def policy(obj: Object, verdicts: Mapping[str, Verdict], parent: Object, now: str) -> Object:
    reference = {
        "group": "gateway.networking.k8s.io",
        "kind": "Gateway",
        "name": parent["metadata"]["name"],
        "namespace": parent["metadata"]["namespace"],
    }
    before = (obj.get("status") or {}).get("ancestors") or []
    known = next((item["conditions"] for item in before if item["ancestorRef"] == reference), None)
    conditions = stamped(obj, known, verdicts, now)
    return {"ancestors": [{"ancestorRef": reference, "controllerName": CONTROLLER, "conditions": conditions}]}
