"""Which HTTPRoutes a Gateway takes, on which listeners, and where their backends lead. Gateway API's rules of attachment."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ..objects import selectors
from ..objects.kinds import HTTP_ROUTE, NAMESPACE, REFERENCE_GRANT, SERVICE, Key
from ..objects.meta import Object, labels_of
from .world import World


class Verdict(NamedTuple):
    """One condition of a status, before it is stamped."""

    holds: bool
    reason: str
    message: str = ""


class Invalid(Exception):
    """A policy that cannot be translated, and why."""


_ACCEPTED = Verdict(True, "Accepted", "Route is accepted")
_RESOLVED = Verdict(True, "ResolvedRefs", "Resolved all the Object references for the Route")


@dataclass
class Attached:
    """An HTTPRoute under one parentRef to this Gateway."""

    route: Object
    parent: Object
    listeners: list[Object] = field(default_factory=list)
    accepted: Verdict = _ACCEPTED
    resolved: Verdict = _RESOLVED

    @property
    def name(self) -> str:
        meta = self.route["metadata"]
        return f"httproute/{meta['namespace']}/{meta['name']}"


def attached(world: World, gateway: Object) -> list[Attached]:
    """Every route that names the Gateway, oldest first, with the verdict on it."""
    found = []
    for route in world.list(HTTP_ROUTE):
        for parent in route["spec"].get("parentRefs") or ():
            if _names(parent, route, gateway):
                found.append(_judged(world, gateway, route, parent))
    return sorted(found, key=lambda one: (one.route["metadata"].get("creationTimestamp", ""), one.name))


def _names(parent: Object, route: Object, gateway: Object) -> bool:
    meta = gateway["metadata"]
    group, kind = parent.get("group", "gateway.networking.k8s.io"), parent.get("kind", "Gateway")
    namespace = parent.get("namespace") or route["metadata"]["namespace"]
    return (group, kind, namespace, parent["name"]) == (
        "gateway.networking.k8s.io",
        "Gateway",
        meta["namespace"],
        meta["name"],
    )


def _judged(world: World, gateway: Object, route: Object, parent: Object) -> Attached:
    made = Attached(route, parent)
    candidates = [
        listener
        for listener in gateway["spec"]["listeners"]
        if parent.get("sectionName") in (None, listener["name"]) and parent.get("port") in (None, listener["port"])
    ]
    allowed = [listener for listener in candidates if _allows(world, gateway, listener, route)]
    made.listeners = [listener for listener in allowed if hostnames(listener, route)]
    if not candidates:
        made.accepted = Verdict(False, "NoMatchingParent", f"No listener matches {parent.get('sectionName')!r}")
    elif not allowed:
        made.accepted = Verdict(
            False, "NotAllowedByListeners", "No listeners included by this parent ref allowed this attachment."
        )
    elif not made.listeners:
        made.accepted = Verdict(
            False,
            "NoMatchingListenerHostname",
            "There were no hostname intersections between the HTTPRoute and this parent ref's Listener(s).",
        )
    made.resolved = _resolved(world, route) or made.resolved
    return made


def _allows(world: World, gateway: Object, listener: Object, route: Object) -> bool:
    wanted = (listener.get("allowedRoutes") or {}).get("namespaces") or {}
    namespace = route["metadata"]["namespace"]
    if wanted.get("from", "Same") == "All":
        return True
    if wanted.get("from", "Same") == "Same":
        return bool(namespace == gateway["metadata"]["namespace"])
    found = world.get(NAMESPACE, Key("", namespace))
    return found is not None and selectors.matches(wanted.get("selector") or {}, labels_of(found))


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
    """The first backendRef that leads nowhere."""
    for rule in route["spec"].get("rules") or ():
        for ref in rule.get("backendRefs") or ():
            if verdict := refusal(world, route, ref):
                return verdict
    return None


def refusal(world: World, route: Object, ref: Object) -> Verdict | None:
    """Why a backendRef cannot be used, or None."""
    if (ref.get("group", ""), ref.get("kind", "Service")) != ("", "Service"):
        return Verdict(
            False, "InvalidKind", f"Group {ref.get('group')!r} kind {ref.get('kind')!r} is not supported; use a Service"
        )
    namespace = ref.get("namespace") or route["metadata"]["namespace"]
    if not granted(world, route, Key(namespace, ref["name"]), "Service"):
        return Verdict(
            False,
            "RefNotPermitted",
            f"Backend ref to Service {namespace}/{ref['name']} not permitted by any ReferenceGrant.",
        )
    service = world.get(SERVICE, Key(namespace, ref["name"]))
    if service is None:
        return Verdict(False, "BackendNotFound", f"Service {namespace}/{ref['name']} not found")
    if not any(port["port"] == ref.get("port") for port in service["spec"].get("ports") or ()):
        return Verdict(
            False, "PortNotFound", f"TCP Port {ref.get('port')} not found on Service {namespace}/{ref['name']}"
        )
    return None


def granted(world: World, obj: Object, target: Key, kind: str) -> bool:
    """Whether an object may refer to a core object of this kind: in its own namespace always, else by a ReferenceGrant."""
    source: dict[str, Any] = {
        "group": obj["apiVersion"].rpartition("/")[0],
        "kind": obj["kind"],
        "namespace": obj["metadata"]["namespace"],
    }

    def permits(grant: Object) -> bool:
        return source in grant["spec"]["from"] and any(
            (to["group"], to["kind"]) == ("", kind) and to.get("name") in (None, target.name)
            for to in grant["spec"]["to"]
        )

    own = target.namespace == source["namespace"]
    return own or any(permits(grant) for grant in world.list(REFERENCE_GRANT, target.namespace))
