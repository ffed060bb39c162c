"""A Gateway and everything attached to it → the whole configuration of its Envoy, and the verdicts on what is attached."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from ..objects.kinds import ENVOY_PROXY, Key
from ..objects.meta import Object, key_of
from . import edge_routes, edge_security, http, telemetry
from .attachment import Attached, Verdict, attached, hostnames
from .edge_security import Security
from .snapshot import Snapshot
from .world import World, secret_text

Resource = dict[str, Any]

READY_PORT, STATS_PORT = 19003, 19001
_CLOSED = {"direct_response": {"status": 500}}


class Edge(NamedTuple):
    snapshot: Snapshot
    attached: list[Attached]
    security: list[Security]
    listeners: dict[str, Verdict]  # whether a listener's certificate was found


def container_port(listener_port: int) -> int:
    """Envoy runs without root: ports below 1024 are moved up by 10000, as Envoy Gateway does."""
    return listener_port + 10000 if listener_port < 1024 else listener_port


def translate(world: World, gateway: Object, ports: Mapping[int, int], parked: Collection[str] = ()) -> Edge:
    """`ports`: containerPort → port on loopback. Routes in `parked` (by their name) are left out."""
    made: dict[str, dict[str, Resource]] = {
        "clusters": {},
        "secrets": {},
        "routes": {},
        "listeners": {},
    }
    proxy = _envoy_proxy(world, gateway)
    client = _client_certificate(world, gateway, proxy, made)
    found = attached(world, gateway)
    served = [one for one in found if one.accepted.holds and one.name not in parked]
    security = {
        one.name: edge_security.translate(world, policy)
        for one in served
        if (policy := edge_security.policy_for(world, one))
    }
    ranked = {
        one.name: list(_secured(edge_routes.routes(world, one, made, client), security.get(one.name))) for one in served
    }
    made["listeners"]["ready"] = http.ready(ports[READY_PORT], "/ready")
    verdicts = {}
    for listener in gateway["spec"]["listeners"]:
        socket = _transport(world, gateway, listener, made)
        verdicts[listener["name"]] = _verdict(socket)
        if socket is None:
            continue
        table = f"{gateway['metadata']['namespace']}/{gateway['metadata']['name']}/{listener['name']}"
        made["routes"][table] = _table(table, listener, [one for one in served if listener in one.listeners], ranked)
        chain = {"filters": [_manager(table, list(security.values()), proxy)], **socket}
        made["listeners"][table] = http.listener(table, ports[container_port(listener["port"])], [chain])
    return Edge(
        Snapshot(made["clusters"], {}, made["listeners"], made["routes"], made["secrets"]),
        found,
        list(security.values()),
        verdicts,
    )


def _secured(routes: Any, security: Security | None) -> Any:
    """Every route of a policy carries it; of a policy that cannot be translated, every route is closed."""
    for rank, route in routes:
        if security is None:
            yield rank, route
        elif security.verdict.holds:
            yield rank, route | {"typed_per_filter_config": security.per_route}
        else:
            yield rank, {"name": route["name"], "match": route["match"], **_CLOSED}


def _table(table: str, listener: Object, served: list[Attached], ranked: Mapping[str, list[Any]]) -> Resource:
    """One virtual host per hostname; within it, routes by precedence."""
    by_host: dict[str, list[Any]] = {}
    for one in served:
        for host in hostnames(listener, one.route):
            by_host.setdefault(host, []).extend(ranked[one.name])
    hosts = [
        {
            "name": f"{table}/{host.replace('.', '_')}",
            "domains": [host],
            "routes": [route for _, route in sorted(routes, key=lambda pair: pair[0])],
        }
        for host, routes in sorted(by_host.items())
    ]
    return {"name": table, "virtual_hosts": hosts, "ignore_port_in_host_matching": True, "validate_clusters": False}


def _manager(table: str, security: list[Security], proxy: Object | None) -> Resource:
    providers = {name: config for one in security for name, config in one.providers.items()}
    requirements = {name: config for one in security for name, config in one.requirement.items()}
    filters = []
    if providers:
        filters.append(http.http_filter("jwt_authn", providers=providers, requirement_map=requirements))
    filters.append(http.http_filter("rbac"))
    more = {
        "use_remote_address": True,
        # Nobody before the edge is trusted, not even on loopback: request ids and x-envoy headers are ours.
        "internal_address_config": {"unix_sockets": False, "cidr_ranges": []},
        "always_set_request_id_in_response": True,
        "forward_client_cert_details": "SANITIZE",
    }
    return http.manager(table.replace("/", "_"), http.rds(table), filters, _logs(proxy), **more)


def _logs(proxy: Object | None) -> list[Resource]:
    settings = (((proxy or {}).get("spec") or {}).get("telemetry") or {}).get("accessLog", {}).get("settings") or [{}]
    fields = [(item.get("format") or {}).get("json") or {"hop": "tier-1", **telemetry.MESH} for item in settings]
    return [telemetry.json_log(json) for json in fields]


def _transport(
    world: World, gateway: Object, listener: Object, made: dict[str, dict[str, Resource]]
) -> Resource | None:
    if listener["protocol"] == "HTTP":
        return {}
    name = ((listener.get("tls") or {}).get("certificateRefs") or [{}])[0].get("name", "")
    key = Key(gateway["metadata"]["namespace"], name)
    chain, private = secret_text(world, key, "tls.crt"), secret_text(world, key, "tls.key")
    if not chain or not private:
        return None
    made["secrets"][str(key)] = http.certificate(str(key), chain, private)
    return {"transport_socket": http.downstream_tls(str(key))}


def _verdict(socket: Resource | None) -> Verdict:
    if socket is None:
        return Verdict(False, "InvalidCertificateRef", "the Secret of the listener's certificate was not found")
    return Verdict(True, "ResolvedRefs", "Listener references have been resolved")


def _envoy_proxy(world: World, gateway: Object) -> Object | None:
    reference = (gateway["spec"].get("infrastructure") or {}).get("parametersRef")
    return world.get(ENVOY_PROXY, Key(gateway["metadata"]["namespace"], reference["name"])) if reference else None


def _client_certificate(
    world: World, gateway: Object, proxy: Object | None, made: dict[str, dict[str, Resource]]
) -> bool:
    reference = (((proxy or {}).get("spec") or {}).get("backendTLS") or {}).get("clientCertificateRef")
    if not reference:
        return False
    key = Key(reference.get("namespace") or key_of(gateway).namespace, reference["name"])
    chain, private = secret_text(world, key, "tls.crt"), secret_text(world, key, "tls.key")
    if not chain or not private:
        return False
    name = edge_routes.CLIENT_CERTIFICATE
    made["secrets"][name] = http.certificate(name, chain, private)
    return True
