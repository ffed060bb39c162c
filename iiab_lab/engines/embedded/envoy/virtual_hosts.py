"""VirtualServices → which of them a host belongs to, and the virtual hosts of one server of a Gateway.

Istio merges all that name a host, whosoever they are, so that one tenant can take another's requests; here a name belongs to
a namespace, and only VirtualServices of that one are merged. Names that a namespace has by itself are its own from the start:
`*.NAMESPACE.svc.cluster.local`, and `*.NAMESPACE.example.com` where Knative publishes. Others belong to whom named them first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from ..objects.kinds import NAMESPACE, VIRTUAL_SERVICE, Key
from ..objects.meta import Object, key_of
from ..rules.istio.virtual_service import MESH
from ..rules.knative import DOMAIN
from .world import World

Resource = dict[str, Any]

ROOT = "istio-system"
_CLUSTER = "svc.cluster.local"


class Hosts(NamedTuple):
    """Which VirtualServices serve each host, oldest first; and why some do not serve some host of theirs."""

    served: Mapping[str, Sequence[Object]]
    refused: Mapping[Key, Sequence[str]]
    reserved: Sequence[str]  # wildcards for the names of namespaces: no wider one covers them


def hosts(world: World, without: Iterable[Key] = ()) -> Hosts:
    """`without`: VirtualServices that are set aside."""
    aside, namespaces = set(without), {namespace["metadata"]["name"] for namespace in world.list(NAMESPACE)}
    served: dict[str, list[Object]] = {}
    refused: dict[Key, list[str]] = {}
    for service in sorted(world.list(VIRTUAL_SERVICE), key=age):
        if key_of(service) in aside or not _is_for_gateways(service):
            continue
        for host in dict.fromkeys(fqdn(host, service) for host in service["spec"].get("hosts") or ()):
            if why := _foreign(host, service, served, namespaces):
                refused.setdefault(key_of(service), []).append(why)
            else:
                served.setdefault(host, []).append(service)
    return Hosts(
        served, refused, [f"*.{name}.{domain}" for name in sorted(namespaces) for domain in (_CLUSTER, DOMAIN)]
    )


def fqdn(host: str, obj: Object) -> str:
    """A name without a dot is a Service of the object's own namespace."""
    short = "." not in host and host != "*"
    return (f"{host}.{obj['metadata']['namespace']}.{_CLUSTER}" if short else host).lower()


def age(obj: Object) -> tuple[str, str, str]:
    """What comes first in this order is older; Istio's order."""
    meta = obj["metadata"]
    return meta.get("creationTimestamp", ""), meta["name"], meta["namespace"]


def _is_for_gateways(service: Object) -> bool:
    exported = service["spec"].get("exportTo") or ["*"]
    here = service["metadata"]["namespace"] == ROOT
    visible = bool({"*", ROOT, *(["."] if here else [])} & set(exported))
    return visible and any(gateway != MESH for gateway in service["spec"].get("gateways") or ())


def _foreign(host: str, service: Object, served: Mapping[str, list[Object]], namespaces: set[str]) -> str:
    """Why a host is not this VirtualService's to serve; "" where it is."""
    own = service["metadata"]["namespace"]
    if own == ROOT:
        return ""
    owner = _namespace_of(host, namespaces)
    if owner and owner != own:
        return (
            f"host {host} belongs to namespace {owner} → name a host of {own}, or write the VirtualService in {owner}"
        )
    first = served.get(host, [service])[0]
    if first["metadata"]["namespace"] != own:
        return f"host {host} belongs to VirtualService {key_of(first)}, which named it first → choose another host"
    return ""


def _namespace_of(host: str, namespaces: set[str]) -> str:
    """`web.shop.svc.cluster.local` → shop. Of Knative's domain only where there is such a namespace."""
    for domain in (_CLUSTER, DOMAIN):
        name, dot, namespace = host.removesuffix(f".{domain}").rpartition(".")
        if host.endswith(f".{domain}") and dot and name and (domain == _CLUSTER or namespace in namespaces):
            return namespace
    return ""


def of_server(found: Hosts, gateway: Object, server: Object) -> Iterator[tuple[str, list[str], Sequence[Object]]]:
    """(name, domains, VirtualServices in order) of each virtual host; domains of the same VirtualServices share one."""
    domains = _by_domain(found, gateway, server)
    groups: dict[tuple[str, ...], list[str]] = {}
    for domain, services in domains.items():
        groups.setdefault(tuple(str(key_of(service)) for service in services), []).append(domain)
    for keys, own in groups.items():
        yield "+".join(keys), own, domains[own[0]]
    if kept := [name for name in found.reserved if name not in domains and _is_covered(name, domains)]:
        yield "reserved", kept, ()


def _by_domain(found: Hosts, gateway: Object, server: Object) -> dict[str, list[Object]]:
    """A domain stands once, or Envoy refuses the table. Whoever names it comes before whoever only has a wider name."""
    named: list[tuple[bool, str, Object]] = []
    for host, services in found.served.items():
        bound = [service for service in services if key_of(gateway) in _gateways(service)]
        for domain in _domains(host, bound, server):
            named += [(domain != host, domain, service) for service in bound]
    domains: dict[str, list[Object]] = {}
    for _, domain, service in sorted(named, key=lambda one: one[0]):
        known = domains.setdefault(domain, [])
        if service not in known and (not known or _namespace(known[0]) == _namespace(service)):
            known.append(service)
    return domains


def _namespace(obj: Object) -> str:
    return str(obj["metadata"]["namespace"])


def _gateways(service: Object) -> set[Key]:
    return {gateway_key(name, service) for name in service["spec"].get("gateways") or ()}


def gateway_key(name: str, service: Object) -> Key:
    namespace, slash, own = name.rpartition("/")
    return Key(namespace if slash else service["metadata"]["namespace"], own)


def _domains(host: str, bound: Sequence[Object], server: Object) -> Iterator[str]:
    """What a server takes of a host: the narrower of the two names. `NAMESPACE/HOST` is for VirtualServices of that alone."""
    if not bound:
        return
    namespace = bound[0]["metadata"]["namespace"]
    for offered in server["hosts"]:
        only, slash, name = offered.rpartition("/")
        if slash and only not in ("*", namespace):
            continue
        if _covers(name, host):
            yield host
        elif _covers(host, name):
            yield name


def _covers(wide: str, narrow: str) -> bool:
    """`*-a.org` and `*a.org` are wildcards as `*.org` is."""
    return wide == narrow or (wide.startswith("*") and narrow.endswith(wide[1:]))


def _is_covered(name: str, domains: Iterable[str]) -> bool:
    return any(domain.startswith("*") and _covers(domain, name) for domain in domains)
