"""A Gateway and everything attached to it → the whole configuration of its Envoy, and the verdicts on what is attached."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from ..objects.kinds import ENVOY_PROXY, Key
from ..objects.meta import Object, key_of
from . import api_keys, edge_routes, edge_security, edge_traffic, http, rate_limits
from .attachment import Attached, Verdict, attached
from .edge_listeners import Listeners
from .edge_routes import Ranked
from .edge_security import Security
from .edge_traffic import Traffic
from .snapshot import Snapshot
from .world import World, secret_text

Resource = dict[str, Any]

READY_PORT, STATS_PORT = 19003, 19001
_CLOSED = {"direct_response": {"status": 500}}


class Edge(NamedTuple):
    snapshot: Snapshot
    attached: list[Attached]
    policies: list[
        tuple[Object, dict[str, Verdict]]
    ]  # each SecurityPolicy and BackendTrafficPolicy with its conditions
    listeners: dict[str, Verdict]  # whether a listener's certificate was found


def container_port(listener_port: int) -> int:
    """Envoy runs without root: ports below 1024 are moved up by 10000, as Envoy Gateway does."""
    return listener_port + 10000 if listener_port < 1024 else listener_port


def translate(world: World, gateway: Object, ports: Mapping[int, int], parked: Collection[str] = ()) -> Edge:
    """`ports`: containerPort → port on loopback. Routes in `parked` (by their name) are left out."""
    made: dict[str, dict[str, Resource]] = {"clusters": {}, "secrets": {}, "routes": {}, "listeners": {}}
    proxy = _envoy_proxy(world, gateway)
    client = _client_certificate(world, gateway, proxy, made)
    found = attached(world, gateway)
    served = [one for one in found if one.accepted.holds and one.name not in parked]
    security = {
        one.name: edge_security.translate(world, policy)
        for one in served
        if (policy := edge_security.policy_for(world, one))
    }
    traffic = {one.name: t for one in served if (t := edge_traffic.effective(world, gateway, one))}
    ranked = {}
    for one in served:
        routes = list(edge_routes.routes(world, one, made, client))
        edge_traffic.broken(traffic.get(one.name), (c for n, c in made["clusters"].items() if _is_of(n, one)))
        ranked[one.name] = list(_governed(routes, security.get(one.name), traffic.get(one.name)))
    filters = _filters(gateway, list(security.values()), list(traffic.values()))
    if any(item["name"] == "envoy.filters.http.ratelimit" for item in filters):
        made["clusters"][rate_limits.CLUSTER] = edge_traffic.cluster(world)
    made["listeners"]["ready"] = http.ready(ports[READY_PORT], "/ready")
    own = {listener["port"]: ports[container_port(listener["port"])] for listener in gateway["spec"]["listeners"]}
    verdicts = Listeners(world, gateway, served, ranked, filters, proxy).into(made, own)
    policies = [(one.policy, {"Accepted": one.verdict}) for one in security.values()]
    return Edge(
        Snapshot(made["clusters"], {}, made["listeners"], made["routes"], made["secrets"]),
        found,
        policies + edge_traffic.judged(world, gateway, served),
        verdicts,
    )


def _is_of(cluster: str, one: Attached) -> bool:
    return cluster.startswith(f"{one.name}/rule/")


def _governed(routes: list[Ranked], security: Security | None, traffic: Traffic | None) -> Iterator[Ranked]:
    """Every route of a policy carries it; of a policy that cannot be translated, every route is closed."""
    for rank, route in routes:
        if security is not None and not security.verdict.holds:
            yield Ranked(rank, {"name": route["name"], "match": route["match"], **_CLOSED})
            continue
        secured = route | {"typed_per_filter_config": security.per_route} if security else route
        yield Ranked(rank, edge_traffic.routed(traffic, secured))


def _filters(gateway: Object, security: Sequence[Security], traffic: list[Traffic]) -> list[Resource]:
    """Envoy Gateway's order: API keys, tokens, authorization, rate limits."""
    providers = {name: config for one in security for name, config in one.providers.items()}
    requirements = {name: config for one in security for name, config in one.requirement.items()}
    filters = [api_keys.http_filter()] if any(api_keys.FILTER in one.per_route for one in security) else []
    if providers:
        filters.append(http.http_filter("jwt_authn", providers=providers, requirement_map=requirements))
    return [*filters, http.http_filter("rbac"), *edge_traffic.filters(gateway, traffic)]


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
