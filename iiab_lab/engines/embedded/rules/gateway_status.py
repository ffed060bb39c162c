"""What the edge's translation found → the statuses of the Gateway, its routes and its policies. Gateway API's conditions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..envoy.attachment import Attached, names
from ..envoy.client_policies import Spoken
from ..envoy.edge import Edge
from ..envoy.verdicts import Verdict
from ..objects.conditions import Condition, condition, merge
from ..objects.kinds import Key
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
    verdicts = {"Accepted": _accepted(edge), "Programmed": programmed}
    return {
        "addresses": [{"type": "IPAddress", "value": "127.0.0.1"}],
        "conditions": stamped(obj, before.get("conditions"), verdicts, now),
        "listeners": [_listener(obj, listener, edge, programmed, now) for listener in obj["spec"]["listeners"]],
    }


def _accepted(edge: Edge) -> Verdict:
    wrong = sorted(name for name, one in edge.listeners.items() if not one.conditions["Accepted"].holds)
    if not wrong:
        return Verdict(True, "Accepted", "The Gateway has been scheduled by Envoy Gateway")
    if len(wrong) < len(edge.listeners):
        return Verdict(True, "ListenersNotValid", f"Listeners not valid: {', '.join(wrong)}")
    return Verdict(False, "ListenersNotValid", f"No listeners are valid: {', '.join(wrong)}")


def _listener(obj: Object, listener: Object, edge: Edge, programmed: Verdict, now: str) -> Object:
    judged = edge.listeners[listener["name"]]
    attached = {
        one.name
        for one in edge.attached
        if one.accepted.holds and any(listener["name"] == taken["name"] for taken in one.listeners)
    }
    known = (obj.get("status") or {}).get("listeners") or []
    before = next((item.get("conditions") for item in known if item["name"] == listener["name"]), None)
    return {
        "name": listener["name"],
        "attachedRoutes": len(attached),
        "supportedKinds": list(judged.kinds),
        "conditions": stamped(obj, before, {"Programmed": programmed, **judged.conditions}, now),
    }


def route(
    judged: Object, before: Object | None, gateway: Key, found: list[Attached], parked: Mapping[str, str], now: str
) -> list[Object]:
    """status.parents: our entry for each parentRef to this Gateway; those of other Gateways and other controllers stay.

    `judged` is the route as the verdicts are on it, `before` its status now.
    """
    known = (before or {}).get("parents") or []
    parents = [parent for parent in known if not _is_stale(parent, judged, gateway)]
    for one in found:
        own = next((p["conditions"] for p in known if p["parentRef"] == one.parent and _is_ours(p)), None)
        conditions = stamped(judged, own, _verdicts(one, parked), now)
        parents.append({"parentRef": one.parent, "controllerName": CONTROLLER, "conditions": conditions})
    order = {_identity(parent): place for place, parent in enumerate(judged["spec"].get("parentRefs") or ())}
    return sorted(parents, key=lambda parent: order.get(_identity(parent["parentRef"]), len(order)))


def concerns(status: Object | None, route: Object, gateway: Key) -> bool:
    """Whether a status has an entry of ours that this Gateway's controller has to look after."""
    return any(_is_stale(parent, route, gateway) for parent in (status or {}).get("parents") or ())


def _is_ours(parent: Object) -> bool:
    return bool(parent["controllerName"] == CONTROLLER)


def _is_stale(parent: Object, route: Object, gateway: Key) -> bool:
    """An entry of ours that is written anew, or whose parentRef is gone."""
    if not _is_ours(parent):
        return False
    listed = parent["parentRef"] in (route["spec"].get("parentRefs") or ())
    return not listed or names(parent["parentRef"], route) == gateway


def _identity(parent: Object) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((name, str(value)) for name, value in parent.items()))


def _verdicts(one: Attached, parked: Mapping[str, str]) -> dict[str, Verdict]:
    accepted = one.accepted
    if accepted.holds and one.name in parked:
        accepted = Verdict(False, "UnsupportedValue", f"Envoy refuses this route: {parked[one.name]}")
    partly = {"PartiallyInvalid": one.partly} if one.partly and accepted.holds else {}
    return {"Accepted": accepted, "ResolvedRefs": one.resolved, **partly}


def policy(before: Object | None, spoken: Sequence[Spoken], parent: Key, now: str) -> Object:
    """Our entries for this Gateway, of which all that is `spoken` is; those for others stay."""
    whole = {
        "group": "gateway.networking.k8s.io",
        "kind": "Gateway",
        "name": parent.name,
        "namespace": parent.namespace,
    }
    ancestors = (before or {}).get("ancestors") or []
    known = {
        item["ancestorRef"].get("sectionName", ""): item["conditions"] for item in ancestors if _within(item, whole)
    }
    own = [
        {
            "ancestorRef": whole | ({"sectionName": one.section} if one.section else {}),
            "controllerName": CONTROLLER,
            "conditions": stamped(one.policy, known.get(one.section), one.conditions, now),
        }
        for one in spoken
    ]
    others = [item for item in ancestors if not _within(item, whole)]
    return {"ancestors": sorted([*own, *others], key=lambda item: str(item["ancestorRef"]))}


def _within(entry: Object, whole: Object) -> bool:
    """Whether an entry is about the Gateway or a listener of it."""
    return bool({**entry["ancestorRef"], "sectionName": ""} == {**whole, "sectionName": ""})
