"""SecurityPolicies → who passes: an authorizer of one's own, API keys, tokens, and rules on who they say it is.

As Envoy Gateway does it: a key or token must be valid before any rule is looked at (401), rules are taken in their order and
the first that matches decides, else defaultAction (403). A policy that cannot be translated closes its routes (500).
"""

from __future__ import annotations

from typing import Any, NamedTuple

from ..objects.meta import Object
from . import api_keys, cel, edge_authorization, edge_ext_auth, edge_tokens, http, paths, request_buffer
from .edge_backends import Backends
from .verdicts import Invalid, Verdict, sentence
from .world import World

Resource = dict[str, Any]

# A name of its own: listeners may have such a filter too, and a route's part goes to every filter of the name.
CLEANING = "envoy.filters.http.header_mutation/claims"
_FOUND = {
    "config_source": paths.config_source("filters", edge_tokens.FILTER),
    "type_urls": [http.message("jwt_authn", "JwtAuthentication")["@type"]],
}
ACCEPTED = Verdict(True, "Accepted", "Policy has been accepted.")


class Security(NamedTuple):
    """Of one policy: parts for the JWT filter, its own ext_authz filter, clusters that either asks, what its routes carry, the
    verdict on it, and whether its routes are closed."""

    policy: Object
    providers: dict[str, Resource]
    requirement: Resource
    asking: list[Resource]
    clusters: dict[str, Resource]
    per_route: Resource
    verdict: Verdict = ACCEPTED
    closed: bool = False


def translate(world: World, policy: Object, backends: Backends) -> Security:
    try:
        made = _translated(world, policy, backends)
    except (Invalid, cel.NotCel) as error:
        return Security(policy, {}, {}, [], {}, {}, _invalid(error), closed=True)
    if "extAuth" not in policy["spec"]:
        return made
    name = _name(policy)
    try:
        asked = edge_ext_auth.translate(world, policy, backends, name)
    except Invalid as error:
        # Where nobody can be asked, requests go on only if the policy says so.
        return made._replace(verdict=_invalid(error), closed=not policy["spec"]["extAuth"].get("failOpen", False))
    return made._replace(
        asking=[asked.filter],
        clusters=made.clusters | {asked.cluster["name"]: asked.cluster},
        per_route=made.per_route | {edge_ext_auth.filter_name(name): asked.per_route},
    )


def filters(security: list[Security]) -> list[Resource]:
    """Envoy Gateway's order: CORS, as a preflight carries no token, then who asks elsewhere, API keys, tokens, bodies, rules.

    All but those that ask elsewhere are always there: a filter that comes or goes ends a listener's connections, and until they
    end, they have the filters of before and the routes of now. What those routes name is in the one filter of all connections.
    """
    own = {item["name"]: item for one in security for item in one.asking}
    return [
        http.http_filter("cors"),
        {**http.http_filter("header_mutation"), "name": CLEANING},
        *(own[name] for name in sorted(own)),
        api_keys.http_filter(),
        {"name": edge_tokens.FILTER, "config_discovery": _FOUND},
        request_buffer.http_filter(),
        http.http_filter("rbac"),
    ]


def tokens(security: list[Security]) -> dict[str, Resource]:
    """The JWT filter of every listener, by its name."""
    providers = {name: config for one in security for name, config in one.providers.items()}
    requirements = {name: config for one in security for name, config in one.requirement.items()}
    made = http.http_filter("jwt_authn", providers=providers, requirement_map=requirements)
    return {edge_tokens.FILTER: made}


def _translated(world: World, policy: Object, backends: Backends) -> Security:
    spec, per_route = policy["spec"], {}
    tokens = edge_tokens.Tokens({}, {}, {}, {}, [])
    if "jwt" in spec:
        tokens = edge_tokens.translate(world, policy, backends, _name(policy))
        per_route[edge_tokens.FILTER] = tokens.per_route
    if tokens.headers:
        per_route[CLEANING] = _cleaned(tokens.headers)
    if "apiKeyAuth" in spec:
        per_route[api_keys.FILTER] = api_keys.per_route(world, policy)
    if "jwt" in spec or "authorization" in spec:
        names = [provider["name"] for provider in (spec.get("jwt") or {}).get("providers") or ()]
        per_route[edge_authorization.FILTER] = edge_authorization.per_route(spec.get("authorization"), names)
    return Security(policy, tokens.providers, tokens.requirement, [], tokens.clusters, per_route)


def _cleaned(headers: list[str]) -> Resource:
    """What claims are copied to is nobody else's to write, for the authorizer as little as for the backend: Envoy's own JWT
    filter takes out the headers of those providers alone that it tries."""
    removed = [{"remove": header} for header in sorted(set(headers))]
    return http.message("header_mutation", "HeaderMutationPerRoute", mutations={"request_mutations": removed})


def _invalid(error: Exception) -> Verdict:
    return Verdict(False, "Invalid", sentence(str(error)))


def _name(policy: Object) -> str:
    return f"securitypolicy/{policy['metadata']['namespace']}/{policy['metadata']['name']}"
