"""Who an Envoy is and where its sockets are → its bootstrap: what it knows before it reads any resource."""

from __future__ import annotations

from typing import Any

ADMIN = "admin"


def bootstrap(node: str, cluster: str, admin_socket: str, stats_port: int) -> dict[str, Any]:
    """`stats_port` serves /stats/prometheus on loopback and nothing else; the admin interface is a unix socket only."""
    pipe = {"pipe": {"path": admin_socket, "mode": 0o600}}
    return {
        "node": {"id": node, "cluster": cluster},
        "admin": {"address": pipe},
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
        "layered_runtime": {
            "layers": [
                {"name": "static", "static_layer": {"overload": {"global_downstream_max_connections": 50000}}},
                {"name": "admin", "admin_layer": {}},
            ]
        },
    }


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
        "filter_chains": [
            {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
        ],
    }
