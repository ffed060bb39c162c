"""A Pod and the mesh's policies → what stands before its application: who may connect, and the filters of every request.

NetworkPolicies stand before every request, then in Istio's order: CUSTOM, the request's token, AUDIT, DENY and ALLOW.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from ..objects.kinds import AUTHORIZATION_POLICY, CONFIG_MAP, PEER_AUTHENTICATION, REQUEST_AUTHENTICATION, Key
from ..objects.meta import Object
from ..rules.istio import mesh_config
from . import authorization, ext_authz, network_policies, outbound, peer_authentication, request_authentication
from .policies import applying
from .world import World

Resource = dict[str, Any]


class Guard(NamedTuple):
    """`modes`: containerPort → STRICT, PERMISSIVE or DISABLE; `connections`: containerPort → the filters of a connection,
    which `looks_around` says depend on other Pods and Namespaces. `clusters` are of the Services that the filters ask, which
    `asked` names; `log` is what the access log says more."""

    modes: Mapping[int, str]
    connections: Mapping[int, list[Resource]]
    looks_around: bool
    filters: list[Resource]
    clusters: dict[str, Resource]
    log: dict[str, str]
    asked: frozenset[Key]


def of_pod(world: World, pod: Object, ports: Mapping[int, int], root: str) -> Guard:
    """`ports`: containerPort → port on loopback; `root`: the mesh's CA, PEM."""
    policies = applying(world.list(AUTHORIZATION_POLICY), pod)
    tokens = request_authentication.rules(applying(world.list(REQUEST_AUTHENTICATION), pod))
    known = _providers(world)
    asked = {ext_authz.service_of(one) for one in ext_authz.asked(policies, known).values()}
    asked |= {found for rule in tokens if (found := request_authentication.key_service(rule.get("jwksUri", "")))}
    peers = world.list(PEER_AUTHENTICATION)
    isolating = network_policies.of_pod(world, pod)
    return Guard(
        modes={port: peer_authentication.mode(peers, pod, port) for port in ports},
        connections=network_policies.filters(world, pod, isolating, ports),
        looks_around=network_policies.look_around(isolating),
        filters=[
            *ext_authz.filters(policies, known, ports),
            *request_authentication.filters(tokens),
            *authorization.filters(policies, ports),
        ],
        clusters={outbound.name_of(*one): outbound.cluster(world, *one, root) for one in sorted(asked)},
        log=authorization.log(policies),
        asked=frozenset(service for service, _ in asked),
    )


def _providers(world: World) -> dict[str, mesh_config.Provider]:
    """Admission lets no other through; one that was stored before names nobody, and CUSTOM policies close."""
    try:
        return mesh_config.providers(world.get(CONFIG_MAP, mesh_config.KEY))
    except ValueError:
        return {}
