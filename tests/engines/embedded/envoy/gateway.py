"""Gateways and HTTPRoutes as data → what the edge makes of them, in front of Services whose Pods listen on ports of one's choice."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from iiab_lab.engines.embedded.envoy import edge
from iiab_lab.engines.embedded.envoy.attachment import Attached
from iiab_lab.engines.embedded.envoy.edge import Edge
from iiab_lab.engines.embedded.objects.kinds import GATEWAY, Key
from iiab_lab.engines.embedded.objects.meta import Object

from ....golden.world import YamlWorld
from . import mesh

API = "gateway.networking.k8s.io/v1"
HTTP: Object = {"name": "http", "protocol": "HTTP", "port": 80, "allowedRoutes": {"namespaces": {"from": "All"}}}
PARENT: Object = {"name": "edge", "namespace": "gateways"}
Verdicts = dict[str, tuple[bool, str]]


class Ports(dict[int, int]):
    """Every containerPort at itself."""

    def __missing__(self, port: int) -> int:
        return port


def gateway(*listeners: Object, name: str = "edge", namespace: str = "gateways") -> Object:
    spec = {"gatewayClassName": "envoy-gateway", "listeners": list(listeners) or [HTTP]}
    return {"apiVersion": API, "kind": "Gateway", "metadata": {"name": name, "namespace": namespace}, "spec": spec}


def route(rules: Sequence[Any], name: str = "web", namespace: str = "shop", at: int = 0, **spec: Any) -> Object:
    """`at`: its age, the smaller the older."""
    meta = {"name": name, "namespace": namespace, "creationTimestamp": f"2026-01-01T00:00:{at:02}Z"}
    return {
        "apiVersion": API,
        "kind": "HTTPRoute",
        "metadata": meta,
        "spec": {"parentRefs": [PARENT], "rules": list(rules), **spec},
    }


def to(*names: str, **of: Any) -> list[Object]:
    """backendRefs to port 80 of these Services."""
    return [{"name": name, "port": 80, **of} for name in names]


def grant(name: str = "", namespace: str = "other", to_kind: str = "Service", **source: str) -> Object:
    """Lets HTTPRoutes of shop, or the `source`, refer to Services, or others, of another namespace."""
    from_ = {"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "namespace": "shop"}
    from_ |= {key.removeprefix("from_"): value for key, value in source.items()}
    target = {"group": "", "kind": to_kind, **({"name": name} if name else {})}
    meta = {"name": "grant", "namespace": namespace}
    return {
        "apiVersion": "gateway.networking.k8s.io/v1beta1",
        "kind": "ReferenceGrant",
        "metadata": meta,
        "spec": {"from": [from_], "to": [target]},
    }


def services(*names: str, namespace: str = "shop") -> list[Object]:
    """Whose one Pod nobody will ask."""
    return [obj for name in names for obj in mesh.service(name, {name: 1}, namespace)]


def world(*objects: Object) -> YamlWorld:
    made = YamlWorld("")
    for obj in objects:
        made.add(copy.deepcopy(obj))
    return made


def translate(*objects: Object, ports: Mapping[int, int] | None = None, of: str = "edge") -> Edge:
    """`of`: the Gateway's name; the usual one is added where no Gateway is among the objects."""
    given = objects if any(obj["kind"] == "Gateway" for obj in objects) else (gateway(), *objects)
    made = world(*given)
    found = made.get(GATEWAY, Key("gateways", of))
    assert found is not None
    return edge.translate(made, found, Ports() if ports is None else ports)


def attached(made: Edge, name: str = "web") -> Attached:
    (found,) = (one for one in made.attached if one.route["metadata"]["name"] == name)
    return found


def verdicts(made: Edge, name: str = "web") -> Verdicts:
    one = attached(made, name)
    found = {"Accepted": one.accepted, "ResolvedRefs": one.resolved, "PartiallyInvalid": one.partly}
    return {kind: (verdict.holds, verdict.reason) for kind, verdict in found.items() if verdict}


def table(made: Edge, listener: str = "http") -> dict[str, list[Any]]:
    """host → its Envoy routes."""
    found = made.snapshot.routes[f"gateways/edge/{listener}"]
    return {host: one["routes"] for one in found["virtual_hosts"] for host in one["domains"]}
