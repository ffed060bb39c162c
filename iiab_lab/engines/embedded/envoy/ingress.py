"""Istio Gateways, VirtualServices and what they lead to → the whole configuration of an ingress gateway: tier 2."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from ..objects.kinds import DESTINATION_RULE, ISTIO_GATEWAY, SERVICE, VIRTUAL_SERVICE, Key, Kind
from ..objects.meta import Object, key_of, labels_of
from . import http, sidecar, telemetry, virtual_hosts, virtual_routes
from .destinations import Destinations
from .guard import Guard
from .indexed import Indexed
from .snapshot import Snapshot
from .virtual_routes import Way
from .world import IDENTITY, World, secret_text, spiffe

Resource = dict[str, Any]

# In these the activator tells its proxy which Pod a request goes to, and whether that has a sidecar: nobody else may.
BACKEND, PLAIN = "x-activator-backend", "x-activator-plain"
_LARGEST_BODY = 1024 * 1024  # of a directResponse, as Istio's webhook has it
# What a route's own fault and corsPolicy need to be heard.
_FILTERS = [http.http_filter("fault"), http.http_filter("cors")]

Named = tuple[Kind, Key]


class Ingress(NamedTuple):
    """The configuration, and what of the VirtualServices is not in force for a reason of their own."""

    snapshot: Snapshot
    refused: Mapping[Key, Sequence[str]]  # hosts that are another's
    missing: Mapping[Key, Sequence[str]]  # subsets that nobody defines


def translate(
    world: World,
    pod: sidecar.Pod,
    identity: sidecar.Identity,
    guard: Guard,
    without: Iterable[Named] = (),
) -> Ingress:
    """`without`: VirtualServices and DestinationRules that are set aside, as if they were not there."""
    world, aside = Indexed(world), set(without)
    found = virtual_hosts.hosts(world, (key for kind, key in aside if kind == VIRTUAL_SERVICE))
    to = Destinations(world, identity.root, (key for kind, key in aside if kind == DESTINATION_RULE))
    secrets, routes = sidecar.secrets(identity), {}
    listeners = {"ready": http.ready(pod.ports[sidecar.READY_PORT], "/healthz/ready")}
    for gateway in _gateways(world, pod.object):
        for server in gateway["spec"].get("servers") or ():
            own = _own_port(world, pod, server["port"]["number"])
            tls = _server_tls(world, pod.object, server, secrets, identity)
            if own is None or tls is None:
                continue
            table = f"{server['port']['name']}.{gateway['metadata']['name']}.{gateway['metadata']['namespace']}"
            routes[table] = _table(table, _virtual_hosts(found, gateway, server, to))
            more: Resource = {"listener_filters": http.PEEKING} if tls else {}
            port = next(inside for inside, outside in pod.ports.items() if outside == own)
            if before := guard.connections[port]:
                more["access_log"] = [telemetry.connection_log("tier-2", port)]
            chains = [tls | {"filters": [*before, _manager(table, guard)]}]
            listeners[f"{own}"] = http.listener(f"{own}", own, chains, **more)
    return Ingress(
        Snapshot(guard.clusters | to.clusters, to.endpoints, listeners, routes, secrets), found.refused, to.missing
    )


def _table(name: str, hosts: Iterable[Resource]) -> Resource:
    return {
        "name": name,
        "virtual_hosts": list(hosts),
        "validate_clusters": False,
        "max_direct_response_body_size_bytes": _LARGEST_BODY,
        "request_headers_to_remove": [BACKEND, PLAIN],
    }


def _virtual_hosts(found: virtual_hosts.Hosts, gateway: Object, server: Object, to: Destinations) -> Iterator[Resource]:
    way = Way(key_of(gateway), server["port"]["number"], bool(server.get("tls")))
    for name, domains, services in virtual_hosts.of_server(found, gateway, server):
        yield {"name": name, "domains": domains, "routes": virtual_routes.translate(services, way, found.served, to)}


def _gateways(world: World, pod: Object) -> list[Object]:
    gateways = world.list(ISTIO_GATEWAY)
    return [g for g in gateways if (g["spec"].get("selector") or {}).items() <= labels_of(pod).items()]


def _own_port(world: World, pod: sidecar.Pod, number: int) -> int | None:
    """A server's port is its Service's: the Pod listens on the targetPort."""
    for service in world.list(SERVICE, pod.object["metadata"]["namespace"]):
        selector = (service["spec"].get("selector") or {}).items()
        if selector and selector <= labels_of(pod.object).items():
            for port in service["spec"].get("ports") or ():
                if port["port"] == number and port.get("targetPort", number) in pod.ports:
                    return pod.ports[port.get("targetPort", number)]
    return pod.ports.get(number)


def _server_tls(
    world: World, pod: Object, server: Object, secrets: Resource, identity: sidecar.Identity
) -> Resource | None:
    """The transport socket of a server; None while its Secret is not there. ISTIO_MUTUAL is by the mesh's own certificates."""
    tls = server.get("tls") or {}
    if not tls:
        return {}
    if tls.get("mode") == "ISTIO_MUTUAL":
        return {"transport_socket": http.downstream_tls(IDENTITY, identity.root)}
    name = tls.get("credentialName", "")
    key = Key(pod["metadata"]["namespace"], name)
    chain, private, beside = (secret_text(world, key, field) for field in ("tls.crt", "tls.key", "ca.crt"))
    ca = secret_text(world, Key(key.namespace, f"{name}-cacert"), "ca.crt") or beside
    mutual = tls.get("mode") == "MUTUAL"
    if not chain or not private or (mutual and not ca):
        return None
    secrets[f"kubernetes://{name}"] = http.certificate(f"kubernetes://{name}", chain, private)
    return {"transport_socket": http.downstream_tls(f"kubernetes://{name}", ca if mutual and ca else "")}


def _manager(table: str, guard: Guard) -> Resource:
    labels = {
        "source_workload": "istio-ingressgateway",
        "source_workload_namespace": "istio-system",
        "source_principal": spiffe("istio-system", "istio-ingressgateway"),
        "source_app": "istio-ingressgateway",
        "destination_principal": "%UPSTREAM_PEER_URI_SAN%",
        "destination_service": "%CLUSTER_METADATA(istio:host)%",
        "destination_service_name": "%CLUSTER_METADATA(istio:name)%",
        "destination_service_namespace": "%CLUSTER_METADATA(istio:namespace)%",
        "destination_workload_namespace": "%CLUSTER_METADATA(istio:namespace)%",
    }
    fields = {"hop": "tier-2", **telemetry.MESH, **guard.log}
    logs = [telemetry.json_log(fields), telemetry.istio_metrics("source", labels)]
    more: Resource = {
        "forward_client_cert_details": "SANITIZE_SET",
        "set_current_client_cert_details": {"uri": True},
        "preserve_external_request_id": True,
        "strip_any_host_port": True,
        **http.FOR_PEERS,
    }
    return http.manager(f"outbound_{table}", http.rds(table), [*guard.filters, *_FILTERS], logs, **more)
