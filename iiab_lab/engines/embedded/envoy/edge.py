"""A Gateway and everything attached to it → the whole configuration of its Envoy, and the verdicts on what is attached."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from ..objects.kinds import BACKEND_TRAFFIC_POLICY, ENVOY_PROXY, HTTP_ROUTE, SECURITY_POLICY, Key, Kind
from ..objects.meta import Object, edition, key_of
from . import (
    client_policies,
    edge_routes,
    edge_security,
    edge_traffic,
    http,
    listener_verdicts,
    policy_targets,
    rate_limits,
)
from .attachment import Attached, attached
from .client_policies import Spoken
from .edge_backends import CLIENT_CERTIFICATE, Backends
from .edge_listeners import Listeners
from .edge_routes import Ranked, closed
from .edge_security import Security
from .edge_traffic import Traffic
from .indexed import Indexed
from .listener_verdicts import Judged
from .snapshot import Snapshot
from .world import World, secret_text

Resource = dict[str, Any]

READY_PORT, STATS_PORT = 19003, 19001
_PER_FILTER = "typed_per_filter_config"


class Edge(NamedTuple):
    snapshot: Snapshot
    attached: list[Attached]
    policies: list[Spoken]  # the verdicts on each policy
    listeners: dict[str, Judged]
    asked: set[tuple[Kind, Key]]  # what it was made from, besides what is listed as a whole


def container_port(listener_port: int) -> int:
    """Envoy runs without root: ports below 1024 are moved up by 10000, as Envoy Gateway does."""
    return listener_port + 10000 if listener_port < 1024 else listener_port


def translate(
    world: World,
    gateway: Object,
    ports: Mapping[int, int],
    parked: Collection[str] = (),
    only: Collection[str] | None = None,
) -> Edge:
    """`ports`: containerPort → port on loopback. Routes in `parked` (by their name), or not among `only`, are left out."""
    world = Indexed(world)
    made: dict[str, dict[str, Resource]] = {"clusters": {}, "secrets": {}, "routes": {}, "listeners": {}}
    proxy, judged = _envoy_proxy(world, gateway), listener_verdicts.judge(world, gateway)
    backends = Backends(world, _client_certificate(world, gateway, proxy, made))
    found = attached(world, gateway, judged)
    wanted = (one for one in found if one.accepted.holds and one.name not in parked)
    served = [one for one in wanted if only is None or one.name in only]
    security = _security(world, served, backends)
    policies = policy_targets.oldest(world, BACKEND_TRAFFIC_POLICY)
    traffic = {one.name: t for one in served if (t := edge_traffic.effective(policies, gateway, one))}
    ranked = {}
    for one in served:
        routes = edge_routes.routes(world, one, backends)
        edge_traffic.broken(traffic.get(one.name), routes.clusters.values())
        made["clusters"] |= routes.clusters
        if one.name in security:
            made["clusters"] |= security[one.name].clusters
        ranked[one.name] = list(_governed(routes.ranked, security.get(one.name), traffic.get(one.name)))
    filters = [
        *edge_security.filters(list(security.values())),
        *edge_traffic.filters(gateway, list(traffic.values())),
    ]
    if any(item["name"] == "envoy.filters.http.ratelimit" for item in filters):
        made["clusters"][rate_limits.CLUSTER] = edge_traffic.cluster(world)
    made["listeners"]["ready"] = http.ready(ports[READY_PORT], "/ready")
    own = {listener["port"]: ports[container_port(listener["port"])] for listener in gateway["spec"]["listeners"]}
    clients = client_policies.govern(world, gateway)
    Listeners(world, gateway, judged, served, ranked, filters, clients.by_listener, proxy).into(made, own)
    spoken = [Spoken(one.policy, "", {"Accepted": one.verdict}) for one in security.values()]
    spoken += [Spoken(policy, "", found) for policy, found in edge_traffic.judged(policies, gateway, served)]
    filter_sets = edge_security.tokens(list(security.values()))
    snapshot = Snapshot(made["clusters"], {}, made["listeners"], made["routes"], made["secrets"], filters=filter_sets)
    return Edge(snapshot, found, spoken + clients.spoken, judged, world.asked)


def editions(world: World, names: Collection[str]) -> dict[str, Hashable]:
    """Of the routes of these names: equal as long as they and their policies are translated to the same."""
    if not names:
        return {}
    world = Indexed(world)
    security, traffic = (
        policy_targets.oldest(world, SECURITY_POLICY),
        policy_targets.oldest(world, BACKEND_TRAFFIC_POLICY),
    )
    backends = Backends(world, client_certificate=False)
    found: dict[str, Hashable] = {}
    for route in world.list(HTTP_ROUTE):
        if (name := Attached(route, {}).name) in names:
            policy, limits = (policy_targets.of(targets, "HTTPRoute", route) for targets in (security, traffic))
            secured = repr(edge_security.translate(world, policy, backends)[1:]) if policy else ""
            found[name] = edition(route), secured, repr(limits and limits["spec"])
    return found


def _security(world: World, served: Sequence[Attached], backends: Backends) -> dict[str, Security]:
    policies = policy_targets.oldest(world, SECURITY_POLICY)
    chosen = {one.name: policy_targets.of(policies, "HTTPRoute", one.route) for one in served}
    return {name: edge_security.translate(world, policy, backends) for name, policy in chosen.items() if policy}


def _governed(routes: list[Ranked], security: Security | None, traffic: Traffic | None) -> Iterator[Ranked]:
    """Every route of a policy carries it; of a policy that cannot be translated, every route is closed."""
    for one in routes:
        route = one.route
        if security is not None and security.closed:
            yield one._replace(route=closed(route))
            continue
        if security:
            route = route | {_PER_FILTER: {**route.get(_PER_FILTER, {}), **security.per_route}}
        yield one._replace(route=edge_traffic.routed(traffic, route, one.timeouts))


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
    made["secrets"][CLIENT_CERTIFICATE] = http.certificate(CLIENT_CERTIFICATE, chain, private)
    return True
