"""The jwt of a SecurityPolicy → Envoy's JWT filter: a provider for each issuer, one requirement, where key sets come from.

As Envoy Gateway has it (internal/xds/translator/jwt.go), and stricter in two things: a token has to expire, and without
`extractFrom` it stands in the Authorization header alone, never in a URL that logs keep.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from ..objects.kinds import CONFIG_MAP, SECRET, Key
from ..objects.meta import Object
from ..rules import service_names
from ..rules.istio import jwks
from . import http, references
from .durations import seconds
from .edge_authorization import header_key
from .edge_backends import Backends
from .verdicts import Invalid
from .world import World, backend, secret_text

Resource = dict[str, Any]

FILTER = "envoy.filters.http.jwt_authn"
_BEARER = [{"name": "Authorization", "value_prefix": "Bearer "}]
_PATIENCE = "10s"


class Tokens(NamedTuple):
    """`requirement`: its name → which providers' tokens pass; `headers`: those that claims are copied to."""

    providers: dict[str, Resource]
    requirement: Resource
    clusters: dict[str, Resource]
    per_route: Resource
    headers: list[str]


def translate(world: World, policy: Object, backends: Backends, name: str) -> Tokens:
    """`name` of the policy, as its parts of the configuration are called. Raises Invalid."""
    wanted = policy["spec"]["jwt"]
    providers: dict[str, Resource] = {}
    clusters: dict[str, Resource] = {}
    _check(wanted["providers"])
    for index, provider in enumerate(wanted["providers"]):
        keys = _Keys(world, policy, backends, f"{name}/jwt/{index}", clusters)
        providers[f"{name}/{provider['name']}"] = _provider(provider) | keys.of(provider)
    headers = [
        item["header"].lower() for provider in wanted["providers"] for item in provider.get("claimToHeaders", ())
    ]
    per_route = http.message("jwt_authn", "PerRouteConfig", requirement_name=name)
    return Tokens(providers, {name: _requirement(wanted, list(providers))}, clusters, per_route, headers)


def _check(providers: list[Object]) -> None:
    names = [provider["name"] for provider in providers]
    for name in names:
        if names.count(name) > 1:
            raise Invalid(f"JWT: provider name {name} must be unique")
    for provider in providers:
        if ("remoteJWKS" in provider) == ("localJWKS" in provider):
            raise Invalid(f"JWT: either remoteJWKS or localJWKS must be specified for jwt provider: {provider['name']}")


def _requirement(wanted: Object, names: list[str]) -> Resource:
    parts: list[Resource] = [{"provider_name": name} for name in names]
    if wanted.get("failOpen"):
        parts.append({"allow_missing_or_failed": {}})
    elif wanted.get("optional"):
        parts.append({"allow_missing": {}})
    return parts[0] if len(parts) == 1 else {"requires_any": {"requirements": parts}}


def _provider(wanted: Object) -> Resource:
    made: Resource = {
        "forward": True,
        "require_expiration": True,
        "jwt_cache_config": {"jwt_cache_size": 1000},
        "payload_in_metadata": wanted["name"],
        "header_in_metadata": header_key(wanted["name"]),
        "normalize_payload_in_metadata": {"space_delimited_claims": ["scope", "scp"]},
    }
    made |= {field: wanted[field] for field in ("issuer", "audiences") if field in wanted}
    made |= dict(_places(wanted.get("extractFrom") or {})) or {"from_headers": _BEARER}
    if wanted.get("claimToHeaders"):
        made["claim_to_headers"] = [
            {"header_name": item["header"], "claim_name": item["claim"]} for item in wanted["claimToHeaders"]
        ]
    if wanted.get("recomputeRoute"):
        made["clear_route_cache"] = True
    return made


def _places(wanted: Object) -> Iterator[tuple[str, Any]]:
    if wanted.get("headers"):
        yield (
            "from_headers",
            [{"name": one["name"], "value_prefix": one.get("valuePrefix", "")} for one in wanted["headers"]],
        )
    for field in ("cookies", "params"):
        if wanted.get(field):
            yield f"from_{field}", list(wanted[field])


class _Keys(NamedTuple):
    """Where one provider's keys come from; a Service that the proxy asks for them is added to `clusters` as `name`."""

    world: World
    policy: Object
    backends: Backends
    name: str
    clusters: dict[str, Resource]

    def of(self, provider: Object) -> Resource:
        if "remoteJWKS" in provider:
            return {"remote_jwks": self._remote(provider["remoteJWKS"])}
        text = self._local(provider["localJWKS"])
        if wrong := jwks.problem(text):
            raise Invalid(f"JWT: provider {provider['name']}: {wrong}")
        return {"local_jwks": {"inline_string": text}}

    def _local(self, source: Object) -> str:
        if source.get("type", "Inline") == "Inline":
            return str(source.get("inline", ""))
        reference = source["valueRef"]
        key = Key(self.policy["metadata"]["namespace"], reference["name"])
        if reference["kind"] == "Secret":
            text = secret_text(self.world, key, "jwks") if self.world.get(SECRET, key) else None
        else:
            data = (self.world.get(CONFIG_MAP, key) or {}).get("data") or {}
            text = data.get("jwks") or next(iter(data.values()), None)
        if not text:
            raise Invalid(f"JWT: local JWKS {reference['kind']} {key} not found")
        return text

    def _remote(self, source: Object) -> Resource:
        """Fetched ahead of need, and kept for as long as nobody answers: an outage refuses no token that is good."""
        self.clusters[self.name] = self._cluster(source)
        again = source.get("failedRefetchDuration")
        return {
            "http_uri": {"uri": source["uri"], "cluster": self.name, "timeout": _PATIENCE},
            "cache_duration": seconds(source.get("cacheDuration", "300s")),
            # Not waited for: a server that never answers would hold up every change of the whole edge.
            "async_fetch": {"fast_listener": True, **({"failed_refetch_duration": seconds(again)} if again else {})},
        }

    def _cluster(self, source: Object) -> Resource:
        if refs := source.get("backendRefs"):
            if why := references.external(self.world, self.policy, refs[0]):
                raise Invalid(f"JWT: {why}")
            return self.backends.cluster(references.backend_key(self.policy, refs[0]), refs[0]["port"], self.name)
        parts = urlsplit(source["uri"])
        service = service_names.service(parts.hostname or "")
        if service is None or parts.scheme != "http":
            raise Invalid(
                f"JWT: remoteJWKS {source['uri']}: keys are fetched from Services of the platform alone → "
                "http://NAME.NAMESPACE.svc.cluster.local/PATH, or the Service in backendRefs"
            )
        found = backend(self.world, service, parts.port or 80)
        return http.cluster(self.name, http.fixed(self.name, found.addresses if found else []))
