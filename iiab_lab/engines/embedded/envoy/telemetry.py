"""What every request leaves behind: one line of JSON on the proxy's output, and Istio's standard metrics.

The metrics come from Envoy's own statistics access logger, under Istio's names and labels
(`istio_requests_total`, `istio_request_duration_milliseconds`; Istio reference, "Istio Standard Metrics").
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Resource = dict[str, Any]

_STATS = "type.googleapis.com/envoy.extensions.access_loggers.stats.v3.Config"
_STDOUT = "type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog"
_CEL = "type.googleapis.com/envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter"

MESH = {
    "time": "%START_TIME%",
    "request_id": "%REQ(X-REQUEST-ID)%",
    "method": "%REQ(:METHOD)%",
    "path": "%PATH(NQ)%",
    "host": "%REQ(:AUTHORITY)%",
    "code": "%RESPONSE_CODE%",
    "details": "%RESPONSE_CODE_DETAILS%",
    "flags": "%RESPONSE_FLAGS%",
    "microseconds": "%COMMON_DURATION(DS_RX_BEG:DS_TX_END:us)%",
    "peer": "%DOWNSTREAM_PEER_URI_SAN%",
    "upstream": "%UPSTREAM_CLUSTER%",
}


def json_log(fields: Mapping[str, str]) -> Resource:
    config = {"@type": _STDOUT, "log_format": {"json_format": dict(fields)}}
    return {"name": "envoy.access_loggers.stdout", "typed_config": config}


def connection_log(hop: str, port: int) -> Resource:
    """One line for a connection that was refused before any request; `port` is a containerPort."""
    fields = {
        "hop": hop,
        "time": "%START_TIME%",
        "method": "connect",
        "path": f"port {port}",
        "details": "%CONNECTION_TERMINATION_DETAILS%",
        "peer": "%DOWNSTREAM_PEER_URI_SAN%",
    }
    refused = {"@type": _CEL, "expression": "has(connection.termination_details)"}
    chosen = {"extension_filter": {"name": "envoy.access_loggers.extension_filters.cel", "typed_config": refused}}
    return json_log(fields) | {"filter": chosen}


def istio_metrics(reporter: str, labels: Mapping[str, str]) -> Resource:
    """`reporter` is source or destination; `labels` are what this hop knows of both ends."""
    known = {
        "reporter": reporter,
        "request_protocol": "http",
        "response_code": "%RESPONSE_CODE%",
        "response_flags": "%RESPONSE_FLAGS%",
        "connection_security_policy": "mutual_tls",
        **labels,
    }
    tags = [{"name": name, "value_format": value} for name, value in known.items()]
    duration = {
        "stat": {"name": "request_duration_milliseconds", "tags": tags},
        "unit": "Milliseconds",
        "value_format": "%DURATION%",
    }
    config = {
        "@type": _STATS,
        "stats_scope": {"prefix": "istio"},
        "counters": [{"stat": {"name": "requests_total", "tags": tags}, "value_fixed": 1}],
        "histograms": [duration],
    }
    return {"name": "envoy.access_loggers.stats", "typed_config": config}
