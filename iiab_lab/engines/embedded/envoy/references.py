"""References of one object to another → whether they are granted, and why a backendRef cannot be used.

Source of reasons and messages: envoyproxy/gateway, internal/gatewayapi/validate.go.
"""

from __future__ import annotations

from typing import NamedTuple

from ..objects.kinds import REFERENCE_GRANT, SERVICE, Key
from ..objects.meta import Object
from ..rules import http_route_unserved
from .indexed import once
from .world import World


class Refusal(NamedTuple):
    reason: str
    message: str


def backend_key(route: Object, ref: Object) -> Key:
    return Key(ref.get("namespace") or route["metadata"]["namespace"], ref["name"])


def refusal(world: World, route: Object, ref: Object) -> Refusal | None:
    """Why a backendRef of an HTTPRoute cannot be used, or None."""
    if why := http_route_unserved.backend_filters(ref):
        return Refusal(*why)
    if ref.get("group", ""):
        only = "only the core API group (specified by omitting the group field or setting it to an empty string)"
        return Refusal("InvalidKind", f"Group is invalid, {only} is supported")
    if ref.get("kind", "Service") != "Service":
        return Refusal("InvalidKind", "Kind is invalid, only Service is supported")
    key = backend_key(route, ref)
    if not granted(world, route, key, "Service"):
        return Refusal("RefNotPermitted", f"Backend ref to Service {key} not permitted by any ReferenceGrant.")
    return _missing(world, key, ref)


def external(world: World, policy: Object, ref: Object) -> str:
    """Why the edge itself may not ask the Service that a policy names; "" if it may."""
    if ref.get("group", "") or ref.get("kind", "Service") != "Service":
        return "kind is invalid, only Service (specified by omitting the kind field or setting it to 'Service') is supported"
    key = backend_key(policy, ref)
    if why := _missing(world, key, ref):
        return why.message[:1].lower() + why.message[1:] if why.reason == "PortNotSpecified" else why.message
    if not granted(world, policy, key, "Service"):
        return f"backend ref to Service {key} not permitted by any ReferenceGrant"
    return ""


def _missing(world: World, key: Key, ref: Object) -> Refusal | None:
    if "port" not in ref:
        said = "A valid port number corresponding to a port on the Service must be specified"
        return Refusal("PortNotSpecified", said)
    service = world.get(SERVICE, key)
    if service is None:
        return Refusal("BackendNotFound", f"service {key} not found")
    ports = service["spec"].get("ports") or ()
    if not any(port["port"] == ref["port"] and port.get("protocol", "TCP") == "TCP" for port in ports):
        return Refusal("PortNotFound", f"TCP Port {ref['port']} not found on Service {key}")
    return None


def granted(world: World, obj: Object, target: Key, kind: str) -> bool:
    """Whether an object may refer to a core object of this kind: in its own namespace always, else by a ReferenceGrant."""
    source = (obj["apiVersion"].rpartition("/")[0], obj["kind"], obj["metadata"]["namespace"])
    if target.namespace == source[2]:
        return True
    return once(world, ("granted", source, target, kind), lambda: _permitted(world, source, target, kind))


def _permitted(world: World, source: tuple[str, str, str], target: Key, kind: str) -> bool:
    return any(
        source in ((one["group"], one["kind"], one["namespace"]) for one in grant["spec"]["from"])
        and any(
            (to["group"], to["kind"]) == ("", kind) and to.get("name") in (None, target.name)
            for to in grant["spec"]["to"]
        )
        for grant in world.list(REFERENCE_GRANT, target.namespace)
    )
