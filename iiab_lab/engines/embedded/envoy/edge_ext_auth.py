"""The extAuth of a SecurityPolicy → an ext_authz filter that stands off until a route of the policy turns it on.

Source: envoyproxy/gateway, internal/xds/translator/extauth.go; it comes before keys and tokens are looked at.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from ..objects.meta import Object
from . import ext_authz, http, references
from .durations import seconds
from .edge_backends import Backends
from .verdicts import Invalid
from .world import World

Resource = dict[str, Any]

_TIMEOUT = "10s"


class ExtAuth(NamedTuple):
    filter: Resource
    cluster: Resource
    per_route: Resource


def translate(world: World, policy: Object, backends: Backends, name: str) -> ExtAuth:
    """Raises Invalid for a Service that cannot be asked."""
    wanted = policy["spec"]["extAuth"]
    if ("http" in wanted) == ("grpc" in wanted):
        only = "only " if "http" in wanted else ""
        raise Invalid(f"ExtAuth: {only}one of grpc or http {'can' if only else 'must'} be specified")
    service = wanted.get("http") or wanted.get("grpc") or {}
    refs = service.get("backendRefs") or ()
    if not refs:
        raise Invalid(f"ExtAuth: {'http' if 'http' in wanted else 'grpc'} backend refs must be specified")
    if why := references.external(world, policy, refs[0]):
        raise Invalid(f"ExtAuth: {why}")
    key, cluster = references.backend_key(policy, refs[0]), f"{name}/extauth/0"
    made = backends.cluster(key, refs[0]["port"], cluster, http2="grpc" in wanted)
    config = _config(wanted, cluster, f"{key.name}.{key.namespace}:{refs[0]['port']}")
    told = {item["name"]: item.get("value", "") for item in wanted.get("contextExtensions") or ()}
    settings = {"check_settings": {"context_extensions": told} if told else {}}
    return ExtAuth(
        {**http.http_filter("ext_authz", **config), "name": filter_name(name), "disabled": True},
        made,
        http.message("ext_authz", "ExtAuthzPerRoute", **settings),
    )


def filter_name(policy: str) -> str:
    return f"envoy.filters.http.ext_authz/{policy}"


def _config(wanted: Object, cluster: str, authority: str) -> Resource:
    made: Resource = {"transport_api_version": "V3", "failure_mode_allow": wanted.get("failOpen", False)}
    timeout = seconds(wanted.get("timeout", _TIMEOUT))
    if "http" in wanted:
        made["http_service"] = _http(wanted["http"], cluster, authority, timeout)
    else:
        envoy = {"cluster_name": cluster, "authority": authority}
        made["grpc_service"] = {"envoy_grpc": envoy, "timeout": timeout}
    if shown := wanted.get("headersToExtAuth"):
        made["allowed_headers"] = ext_authz.exactly(shown)
    if body := wanted.get("bodyToExtAuth"):
        made["with_request_body"] = {"max_request_bytes": body["maxRequestBytes"]}
    if "statusOnError" in wanted:
        made["status_on_error"] = {"code": wanted["statusOnError"]}
    if wanted.get("recomputeRoute"):
        made["clear_route_cache"] = True
    return made


def _http(wanted: Object, cluster: str, authority: str, timeout: str) -> Resource:
    prefix, path = wanted.get("path", ""), wanted.get("pathOverride", "")
    uri = f"http://{authority}{path or prefix}"
    made: Resource = {"server_uri": {"uri": uri, "cluster": cluster, "timeout": timeout}}
    made |= {"path_override": path} if path else {"path_prefix": prefix} if prefix else {}
    if answered := wanted.get("headersToBackend"):
        made["authorization_response"] = {"allowed_upstream_headers": ext_authz.exactly(answered)}
    return made
