"""The parts of Envoy that every hop is built from: connection manager, TLS contexts, clusters, endpoints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from . import paths

Resource = dict[str, Any]

_HTTP = "type.googleapis.com/envoy.extensions.filters.http"
_MANAGER = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
_TLS = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3"
_OPTIONS = "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions"


# Envoy's own default of 1024 for each would be a limit nobody asked for.
_NO_LIMIT = 2**32 - 1
_ANY = {name: _NO_LIMIT for name in ("max_connections", "max_pending_requests", "max_requests", "max_retries")}
UNLIMITED: Resource = {"thresholds": [_ANY]}

# The name a client asks for in its hello: what connection.sni speaks of, and how plaintext is told from TLS.
PEEKING: list[Resource] = [
    {
        "name": "envoy.filters.listener.tls_inspector",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector"
        },
    }
]

# For the manager of a hop whose clients are proxies of ours: one connection carries the requests of many, and what is wrong
# with one of them must end that one alone.
FOR_PEERS: Resource = {"http2_protocol_options": {"override_stream_error_on_invalid_http_message": True}}
CORS = "envoy.filters.http.cors"
# As fields of an API → of Envoy's CorsPolicy.
_LISTED = {"allowMethods": "allow_methods", "allowHeaders": "allow_headers", "exposeHeaders": "expose_headers"}
# 301 is Envoy's own.
REDIRECTS = {302: "FOUND", 303: "SEE_OTHER", 307: "TEMPORARY_REDIRECT", 308: "PERMANENT_REDIRECT"}

_MESSAGES = {
    "api_key_auth": "ApiKeyAuth",
    "buffer": "Buffer",
    "cors": "Cors",
    "ext_authz": "ExtAuthz",
    "ext_proc": "ExternalProcessor",
    "fault": "HTTPFault",
    "header_mutation": "HeaderMutation",
    "health_check": "HealthCheck",
    "jwt_authn": "JwtAuthentication",
    "local_ratelimit": "LocalRateLimit",
    "ratelimit": "RateLimit",
    "rbac": "RBAC",
    "router": "Router",
}


def http_filter(name: str, **config: Any) -> Resource:
    """`http_filter("rbac", …)`."""
    return {"name": f"envoy.filters.http.{name}", "typed_config": message(name, _MESSAGES[name], **config)}


def message(name: str, kind: str, **config: Any) -> Resource:
    """A message of an HTTP filter: the type is always `….<name>.v3.<Message>`."""
    return {"@type": f"{_HTTP}.{name}.v3.{kind}", **config}


def cors_lists(policy: Mapping[str, Any], separator: str) -> Resource:
    """Of a CorsPolicy, what an HTTPRoute and a VirtualService name alike."""
    return {ours: separator.join(policy[theirs]) for theirs, ours in _LISTED.items() if policy.get(theirs)}


def manager(
    stat_prefix: str,
    routes: Resource,
    filters: Sequence[Resource],
    logs: Sequence[Resource],
    router: Mapping[str, Any] = {},
    **more: Any,
) -> Resource:
    """`routes` is {"rds": …} or {"route_config": …}; `router`: what the last filter is told."""
    config = {
        "@type": _MANAGER,
        "stat_prefix": stat_prefix,
        "access_log": list(logs),
        "http_filters": [*filters, http_filter("router", **router)],
        "normalize_path": True,
        "merge_slashes": True,
        "path_with_escaped_slashes_action": "UNESCAPE_AND_REDIRECT",
        "stream_idle_timeout": "300s",
        **routes,
        **more,
    }
    return {"name": "envoy.filters.network.http_connection_manager", "typed_config": config}


def rds(table: str) -> Resource:
    return {"rds": {"route_config_name": table, "config_source": paths.config_source("routes", table)}}


def listener(name: str, port: int, chains: Sequence[Resource], **more: Any) -> Resource:
    address = {"socket_address": {"address": "127.0.0.1", "port_value": port}}
    return {"name": name, "address": address, "filter_chains": list(chains), **more}


def ready(port: int, path: str) -> Resource:
    """A listener that answers 200 as soon as this configuration is in force: what a readiness probe asks."""
    route = {"match": {"path": path}, "direct_response": {"status": 200}}
    config = {"route_config": {"virtual_hosts": [{"name": "ready", "domains": ["*"], "routes": [route]}]}}
    chain = {"filters": [manager("ready", config, [], [])]}
    return listener("ready", port, [chain], bypass_overload_manager=True)


def downstream_tls(
    secret: str, ca: str = "", more: Sequence[str] = (), common_more: Mapping[str, Any] = {}, **beside: Any
) -> Resource:
    """With `ca` (PEM), a client certificate from it is required. Of `more` secrets the one is shown that the client asks for.
    `common_more` and `beside` go into the CommonTlsContext, and beside it.

    A CA stands in place and not in a file of its own: every file that Envoy follows takes one of the user's few inotify
    instances (128 on most systems), and a CA hardly ever changes.
    """
    common: Resource = {
        "alpn_protocols": ["h2", "http/1.1"],
        "tls_certificate_sds_secret_configs": [paths.sds(name) for name in (secret, *more)],
        "tls_params": {"tls_minimum_protocol_version": "TLSv1_2"},
        **common_more,
    }
    if ca:
        common["validation_context"] = {"trusted_ca": {"inline_string": ca}}
    config = {"@type": f"{_TLS}.DownstreamTlsContext", "common_tls_context": common}
    return {
        "name": "envoy.transport_sockets.tls",
        "typed_config": config | ({"require_client_certificate": True} if ca else {}) | beside,
    }


def upstream_tls(sni: str, ca: str, sans: Sequence[Resource], certificate: str = "") -> Resource:
    """`sans`: the names of which the server's certificate must carry one, as {"san_type", "matcher"}; `ca` is PEM."""
    trusted = {"trusted_ca": {"inline_string": ca}, "match_typed_subject_alt_names": list(sans)}
    common: Resource = {"alpn_protocols": ["h2", "http/1.1"], "validation_context": trusted}
    if certificate:
        common["tls_certificate_sds_secret_configs"] = [paths.sds(certificate)]
    config = {"@type": f"{_TLS}.UpstreamTlsContext", "sni": sni, "common_tls_context": common}
    return {"name": "envoy.transport_sockets.tls", "typed_config": config}


def certificate(name: str, chain: str, key: str) -> Resource:
    """A key and its certificate in one secret, so that no rotation is ever seen half."""
    return {
        "name": name,
        "tls_certificate": {"certificate_chain": {"inline_string": chain}, "private_key": {"inline_string": key}},
    }


def cluster(name: str, source: Resource, tls: Resource | None = None, *, http2: bool = False) -> Resource:
    """`source` is `followed(name)` or `fixed(…)`. Over TLS the protocol is whatever ALPN agrees on, HTTP/2 first."""
    made: Resource = {"name": name, **source, "connect_timeout": "10s", "lb_policy": "LEAST_REQUEST"}
    if tls:
        made["transport_socket"] = tls
    if tls or http2:
        spoken = "auto_config" if tls else "explicit_http_config"
        options = {"@type": _OPTIONS, spoken: {"http2_protocol_options": {}}}
        made["typed_extension_protocol_options"] = {_OPTIONS.rpartition("/")[2]: options}
    return made


def followed(name: str) -> Resource:
    """Endpoints from a file of their own: they may change often, and connections to those that stay are kept."""
    return {"type": "EDS", "eds_cluster_config": {"eds_config": paths.config_source("endpoints", name)}}


def fixed(name: str, addresses: Sequence[tuple[str, int]]) -> Resource:
    """Endpoints in place: for clusters of which there may be hundreds (see `downstream_tls`)."""
    return {"type": "STATIC", "load_assignment": endpoints(name, addresses)}


def pipe_cluster(name: str, path: str, *, http2: bool = False, idle: str = "") -> Resource:
    """A program on a unix socket. `idle`: when a connection without requests is closed, sooner than the program does."""
    endpoint = {"endpoint": {"address": {"pipe": {"path": path}}}}
    assignment = {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]}
    made = {"name": name, "type": "STATIC", "connect_timeout": "10s", "load_assignment": assignment}
    spoken: Resource = {"http2_protocol_options": {}} if http2 else {"http_protocol_options": {}}
    common = {"common_http_protocol_options": {"idle_timeout": idle}} if idle else {}
    options = {"@type": _OPTIONS, "explicit_http_config": spoken, **common}
    return made | {"typed_extension_protocol_options": {_OPTIONS.rpartition("/")[2]: options}}


def breaker(connections: int, pending: int) -> Resource:
    """Over HTTP/1 a connection is a request: so many at a time, so many that wait; one more is answered 503."""
    return {
        "thresholds": [{"max_connections": connections, "max_pending_requests": pending, "max_requests": _NO_LIMIT}]
    }


def endpoints(name: str, addresses: Sequence[tuple[str, int]]) -> Resource:
    listed = [
        {"endpoint": {"address": {"socket_address": {"address": host, "port_value": port}}}} for host, port in addresses
    ]
    return {"cluster_name": name, "endpoints": [{"lb_endpoints": listed}]}
