"""Who an Envoy is and where its sockets are → its bootstrap: what it knows before it reads any resource."""

from __future__ import annotations

from typing import Any

from .snapshot import Snapshot

ADMIN = "admin"
_CONNECTIONS = (
    "type.googleapis.com/envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig"
)
# How many steps a regular expression may compile to, as on Istio's proxies; Envoy's own limit of 100 refuses many a plain one.
_REGEXES = {"re2.max_program_size.error_level": 32768}
# Who takes most of its first 500 requests back loses its connection. Behind another proxy that would be everybody's: there
# the edge, which counts each client by itself, has seen to it before.
_FOR_PEERS = {"overload.premature_reset_total_stream_count": 2**31}
# What a crowd's requests took goes back to the machine, which is the models' too: the allocator would keep it.
_GIVEN_BACK = {"bytes_to_release": 8 << 20, "memory_release_interval": "1s"}


def bootstrap(node: str, cluster: str, admin_socket: str, stats_port: int, *, in_mesh: bool) -> dict[str, Any]:
    """`stats_port` serves /stats/prometheus on loopback and nothing else; the admin interface is a unix socket only.

    `in_mesh`: its clients are other proxies of the platform.
    """
    pipe = {"pipe": {"path": admin_socket, "mode": 0o600}}
    return {
        "node": {"id": node, "cluster": cluster},
        "admin": {"address": pipe},
        "layered_runtime": _runtime(_REGEXES | (_FOR_PEERS if in_mesh else {})),
        "memory_allocator_manager": _GIVEN_BACK,
        "stats_flush_interval": "1s",  # histograms stand still in between, and Prometheus asks every second
        "dynamic_resources": {
            "cds_config": {"path_config_source": {"path": "./cds.json"}, "resource_api_version": "V3"},
            "lds_config": {"path_config_source": {"path": "./lds.json"}, "resource_api_version": "V3"},
        },
        "static_resources": {
            "clusters": [
                {
                    "name": ADMIN,
                    "type": "STATIC",
                    "load_assignment": {
                        "cluster_name": ADMIN,
                        "endpoints": [{"lb_endpoints": [{"endpoint": {"address": pipe}}]}],
                    },
                }
            ],
            "listeners": [_stats(stats_port)],
        },
        "overload_manager": {
            "resource_monitors": [
                {
                    "name": "envoy.resource_monitors.global_downstream_max_connections",
                    "typed_config": {"@type": _CONNECTIONS, "max_active_downstream_connections": 50000},
                }
            ]
        },
    }


def _runtime(values: dict[str, Any]) -> dict[str, Any]:
    return {"layers": [{"name": "static", "static_layer": values}]}


def _stats(port: int) -> dict[str, Any]:
    route = {
        "match": {"path": "/stats/prometheus", "headers": [{"name": ":method", "string_match": {"exact": "GET"}}]},
        "route": {"cluster": ADMIN},
    }
    manager = {
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "stats",
        "route_config": {"virtual_hosts": [{"name": "stats", "domains": ["*"], "routes": [route]}]},
        "http_filters": [
            {
                "name": "envoy.filters.http.router",
                "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"},
            }
        ],
    }
    return {
        "name": "stats",
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": port}},
        "bypass_overload_manager": True,  # it is when there are too many clients that Prometheus has to see it
        "filter_chains": [
            {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
        ],
    }


def static(snapshot: Snapshot) -> dict[str, Any]:
    """The same resources in one static bootstrap, route tables and filters in place: what `envoy --mode validate` can judge."""

    def inlined(value: Any) -> Any:
        if isinstance(value, list):
            return [inlined(item) for item in value]
        if not isinstance(value, dict):
            return value
        if "rds" in value:
            table = snapshot.routes.get(value["rds"]["route_config_name"], {})
            value = {name: item for name, item in value.items() if name != "rds"} | {"route_config": table}
        if "config_discovery" in value:
            value = snapshot.filters[value["name"]]
        return {name: inlined(item) for name, item in value.items()}

    return {
        "node": {"id": "check", "cluster": "check"},  # filesystem subscriptions ask for one
        "layered_runtime": _runtime(_REGEXES),
        "static_resources": {
            "clusters": list(snapshot.clusters.values()),
            "listeners": [inlined(listener) for listener in snapshot.listeners.values()],
        },
    }
