"""The whole configuration of one Envoy, as data: six sets of xDS resources, each by its name.

Resources are dicts in proto3 JSON form without "@type" at the top (the writer adds it from the set they are in).
`origin` tells which Kubernetes object a resource came from, so that a refusal can be laid at its door.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Resource = dict[str, Any]

TYPES = {
    "clusters": "type.googleapis.com/envoy.config.cluster.v3.Cluster",
    "endpoints": "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
    "filters": "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig",
    "listeners": "type.googleapis.com/envoy.config.listener.v3.Listener",
    "routes": "type.googleapis.com/envoy.config.route.v3.RouteConfiguration",
    "secrets": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret",
}


@dataclass(frozen=True)
class Snapshot:
    clusters: Mapping[str, Resource] = field(default_factory=dict)
    endpoints: Mapping[str, Resource] = field(default_factory=dict)
    listeners: Mapping[str, Resource] = field(default_factory=dict)
    routes: Mapping[str, Resource] = field(default_factory=dict)
    secrets: Mapping[str, Resource] = field(default_factory=dict)
    origin: Mapping[str, str] = field(default_factory=dict)
    filters: Mapping[str, Resource] = field(default_factory=dict)


def united(now: Mapping[str, Resource], desired: Mapping[str, Resource]) -> dict[str, Resource]:
    """Filters that serve the routes of both: what either's maps name, the desired where both do."""
    return {name: _both(now.get(name, {}), desired.get(name, {})) for name in {**now, **desired}}


def _both(now: Resource, desired: Resource) -> Resource:
    if not (now and desired):
        return now or desired
    before = now["typed_config"]
    made = {
        name: {**before[name], **value} if isinstance(value, dict) and isinstance(before.get(name), dict) else value
        for name, value in desired["typed_config"].items()
    }
    return desired | {"typed_config": before | made}
