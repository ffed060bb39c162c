"""Which HTTPRoutes a Gateway takes, on which listeners, and what of them cannot be served. Gateway API's rules of attachment.

Source of reasons and messages: envoyproxy/gateway, internal/gatewayapi/route.go.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from ..objects import selectors
from ..objects.kinds import HTTP_ROUTE, NAMESPACE, Key
from ..objects.meta import Object, labels_of
from ..rules import http_route_unserved
from ..rules.http_route_unserved import Problem
from .listener_verdicts import GROUP, Judged
from .references import Refusal, refusal
from .verdicts import Verdict, sentence
from .world import World

_ACCEPTED = Verdict(True, "Accepted", "Route is accepted")
_RESOLVED = Verdict(True, "ResolvedRefs", "Resolved all the Object references for the Route")


@dataclass
class Attached:
    """An HTTPRoute under one parentRef to this Gateway; `problems` by the index of the rule that has them."""

    route: Object
    parent: Object
    listeners: list[Object] = field(default_factory=list)
    accepted: Verdict = _ACCEPTED
    resolved: Verdict = _RESOLVED
    partly: Verdict | None = None
    problems: Mapping[int, list[Problem]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        meta = self.route["metadata"]
        return f"httproute/{meta['namespace']}/{meta['name']}"


def attached(world: World, gateway: Object, listeners: Mapping[str, Judged]) -> list[Attached]:
    """Every route that names the Gateway, oldest first, with the verdict on it."""
    found = []
    for route in world.list(HTTP_ROUTE):
        for parent in route["spec"].get("parentRefs") or ():
            if names(parent, route) == Key(gateway["metadata"]["namespace"], gateway["metadata"]["name"]):
                found.append(_judged(world, gateway, listeners, route, parent))
    return sorted(found, key=lambda one: (one.route["metadata"].get("creationTimestamp", ""), one.name))


def names(parent: Object, route: Object) -> Key | None:
    """The Gateway that a parentRef means."""
    if (parent.get("group", GROUP), parent.get("kind", "Gateway")) != (GROUP, "Gateway"):
        return None
    return Key(parent.get("namespace") or route["metadata"]["namespace"], parent["name"])


def _judged(world: World, gateway: Object, judged: Mapping[str, Judged], route: Object, parent: Object) -> Attached:
    made = Attached(route, parent)
    candidates = [
        listener
        for listener in gateway["spec"]["listeners"]
        if parent.get("sectionName") in (None, listener["name"]) and parent.get("port") in (None, listener["port"])
    ]
    allowed = [
        listener
        for listener in candidates
        if judged[listener["name"]].kinds and _allows(world, gateway, listener, route)
    ]
    made.listeners = [listener for listener in allowed if hostnames(listener, route)]
    _settle_rules(made)
    made.accepted = _unattached(candidates, allowed, made.listeners) or made.accepted
    made.resolved = _resolved(world, route) or made.resolved
    return made


def _unattached(candidates: list[Object], allowed: list[Object], meeting: list[Object]) -> Verdict | None:
    if not candidates:
        return Verdict(False, "NoMatchingParent", "No listeners match this parent ref")
    if not allowed:
        said = "No listeners included by this parent ref allowed this attachment."
        return Verdict(False, "NotAllowedByListeners", said)
    if not meeting:
        said = "There were no hostname intersections between the HTTPRoute and this parent ref's Listener(s)."
        return Verdict(False, "NoMatchingListenerHostname", said)
    return None


def _settle_rules(made: Attached) -> None:
    """One rule that is right is enough to be accepted; the condition PartiallyInvalid then names the others."""
    rules = made.route["spec"].get("rules") or ()
    found = {index: wrong for index, rule in enumerate(rules) if (wrong := http_route_unserved.problems(rule))}
    if not found:
        return
    made.problems = found
    reason = ",".join(sorted({one.reason for wrong in found.values() for one in wrong}))
    said = "\n".join(
        sentence(f"failed to process route rule {index}: {one.message}")
        for index, wrong in found.items()
        for one in wrong
    )
    if len(found) == len(rules):
        made.accepted = Verdict(False, reason, said)
    else:
        made.partly = Verdict(True, reason, f"Dropped Rule(s) [{' '.join(map(str, found))}]: {said}")


def _allows(world: World, gateway: Object, listener: Object, route: Object) -> bool:
    wanted = (listener.get("allowedRoutes") or {}).get("namespaces") or {}
    namespace = route["metadata"]["namespace"]
    if wanted.get("from", "Same") == "All":
        return True
    if wanted.get("from", "Same") == "Same":
        return bool(namespace == gateway["metadata"]["namespace"])
    found = world.get(NAMESPACE, Key("", namespace))
    selector = wanted.get("selector")
    return found is not None and selector is not None and selectors.matches(selector, labels_of(found))


def hostnames(listener: Object, route: Object) -> list[str]:
    """The hosts a route gets on a listener: both say `*` unless they name one; [] where they do not meet."""
    own, asked = listener.get("hostname"), route["spec"].get("hostnames") or []
    if not own:
        return asked or ["*"]
    if not asked:
        return [own]
    return [met for host in asked if (met := _meet(own, host))]


def _meet(one: str, other: str) -> str:
    if one == other or (one.startswith("*.") and other.endswith(one[1:])):
        return other
    return one if other.startswith("*.") and one.endswith(other[1:]) else ""


def _resolved(world: World, route: Object) -> Verdict | None:
    """False where a reference leads nowhere: of a backend, or of a mirror."""
    found = list(_refusals(world, route))
    if not found:
        return None
    reason = ",".join(sorted({why.reason for why, _ in found}))
    return Verdict(False, reason, "\n".join(sentence(f"failed to {said}: {why.message}") for why, said in found))


def _refusals(world: World, route: Object) -> Iterator[tuple[Refusal, str]]:
    for index, rule in enumerate(route["spec"].get("rules") or ()):
        for place, ref in enumerate(rule.get("backendRefs") or ()):
            if why := refusal(world, route, ref):
                yield why, f"process route rule {index} backendRef {place}"
        for item in rule.get("filters") or ():
            if "requestMirror" in item and (why := refusal(world, route, item["requestMirror"]["backendRef"])):
                yield why, "validate the RequestMirror filter"
