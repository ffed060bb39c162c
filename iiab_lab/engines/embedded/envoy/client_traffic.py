"""A ClientTrafficPolicy, or none → how one listener treats its clients: its connection manager, filters, limits and TLS.

Without a policy hold Envoy Gateway's own defaults: TLS 1.2 or newer, paths normalised, headers with underscores refused,
`server` left to the backend, Envoy's own headers kept from the backend. What a policy cannot mean closes the listener's routes (500).
Source of defaults and messages: envoyproxy/gateway, internal/gatewayapi/clienttrafficpolicy.go, internal/xds/translator/listener.go.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from ..objects import quantities
from ..objects.meta import Object
from . import client_headers, client_tls, http
from .durations import seconds
from .verdicts import Invalid
from .world import World

Resource = dict[str, Any]

_LIMIT = "type.googleapis.com/envoy.extensions.filters.network.connection_limit.v3.ConnectionLimit"
_WINDOWS = (65535, 2**31 - 1)


@dataclass
class Client:
    """The parts of a listener that its clients meet; `wrong`: why its policy means nothing."""

    manager: Resource = field(default_factory=dict)
    common: Resource = field(default_factory=dict)
    chain: Resource = field(default_factory=dict)
    listener: Resource = field(default_factory=dict)
    before: list[Resource] = field(default_factory=list)
    first: list[Resource] = field(default_factory=list)
    late: list[Resource] = field(default_factory=list)
    tls: tuple[Resource, Resource] = ({}, {})
    envoy_headers: bool = False
    limit_headers: bool = True
    wrong: str = ""

    def filters(self, others: Iterable[Resource]) -> list[Resource]:
        """The listener's HTTP filters around those of its routes: a health check first, changes of headers after CORS."""
        made = [one if self.limit_headers else without_limit_headers(one) for one in others]
        return [*self.first, *made[:1], *self.late, *made[1:]]


def translate(world: World, policy: Object | None, name: str, *, secured: bool) -> Client:
    """`name`: the listener's, for its statistics; `secured`: whether it speaks TLS."""
    given = policy or {"metadata": {}, "spec": {}}
    made, wrong = Client(), []
    for what, part in _PARTS.items():
        try:
            part(given["spec"], made, name)
        except Invalid as error:
            wrong.append(f"{what}: {error}")
    try:
        made.tls = client_tls.context(world, given) if secured else made.tls
    except Invalid as error:
        wrong.append(f"TLS: {error}")
    if not wrong:
        return made
    safe = translate(world, None, name, secured=secured)
    safe.wrong = "\n".join(wrong)
    return safe


def without_limit_headers(config: Resource) -> Resource:
    """A filter, or a route's configuration of filters, that says nothing of rate limits in answers."""
    if isinstance(config, dict):
        return {k: without_limit_headers(v) for k, v in config.items() if k != "enable_x_ratelimit_headers"}
    return config


def _connection(spec: Object, made: Client, name: str) -> None:
    wanted = spec.get("connection") or {}
    made.listener["per_connection_buffer_limit_bytes"] = _bytes("BufferLimit", wanted.get("bufferLimit", 32768))
    if at_once := wanted.get("maxAcceptPerSocketEvent", 1):
        made.listener["max_connections_to_accept_per_socket_event"] = at_once
    limit = wanted.get("connectionLimit") or {}
    for theirs, ours in (
        ("maxConnectionDuration", "max_connection_duration"),
        ("maxStreamDuration", "max_stream_duration"),
    ):
        made.common |= {ours: seconds(limit[theirs])} if theirs in limit else {}
    if "maxConnectionDuration" in limit:
        unsafe = (spec.get("http1") or {}).get("disableSafeMaxConnectionDuration", False)
        made.manager["http1_safe_max_connection_duration"] = not unsafe
    if "maxRequestsPerConnection" in limit:
        made.common["max_requests_per_connection"] = limit["maxRequestsPerConnection"]
    if "value" in limit:
        config = {"@type": _LIMIT, "stat_prefix": name, "max_connections": str(limit["value"])}
        config |= {"delay": seconds(limit["closeDelay"])} if "closeDelay" in limit else {}
        made.before.append({"name": "envoy.filters.network.connection_limit", "typed_config": config})


def _timeouts(spec: Object, made: Client, _: str) -> None:
    wanted = spec.get("timeout") or {}
    requests, connections = wanted.get("http") or {}, wanted.get("tcp") or {}
    for given, theirs, place, ours in (
        (requests, "requestReceivedTimeout", made.manager, "request_timeout"),
        (requests, "requestHeadersReceivedTimeout", made.manager, "request_headers_timeout"),
        (requests, "streamIdleTimeout", made.manager, "stream_idle_timeout"),
        (requests, "idleTimeout", made.common, "idle_timeout"),
        (connections, "tlsHandshakeTimeout", made.chain, "transport_socket_connect_timeout"),
        (connections, "connectionInspectionTimeout", made.listener, "listener_filters_timeout"),
    ):
        if theirs in given:
            place[ours] = seconds(given[theirs])


def _http1(spec: Object, made: Client, _: str) -> None:
    wanted = spec.get("http1") or {}
    options: Resource = {"enable_trailers": True} if wanted.get("enableTrailers") else {}
    options |= {"accept_http_10": True} if "http10" in wanted else {}
    if options:
        made.manager["http_protocol_options"] = options


def _http2(spec: Object, made: Client, _: str) -> None:
    wanted = spec.get("http2") or {}
    options: Resource = {"max_concurrent_streams": wanted.get("maxConcurrentStreams", 100)}
    for theirs, ours, default in (
        ("initialStreamWindowSize", "initial_stream_window_size", "64Ki"),
        ("initialConnectionWindowSize", "initial_connection_window_size", "1Mi"),
    ):
        options[ours] = _bytes(theirs[:1].upper() + theirs[1:], wanted.get(theirs, default), *_WINDOWS)
    if "onInvalidMessage" in wanted:
        ends_stream = wanted["onInvalidMessage"] == "TerminateStream"
        options["override_stream_error_on_invalid_http_message"] = ends_stream
    if alive := wanted.get("connectionKeepalive"):
        options["connection_keepalive"] = _keepalive(alive)
    made.manager["http2_protocol_options"] = options


def _keepalive(wanted: Object) -> Resource:
    names = {"interval": "interval", "timeout": "timeout", "idleInterval": "connection_idle_interval"}
    made: Resource = {ours: seconds(wanted[theirs]) for theirs, ours in names.items() if theirs in wanted}
    return made | ({"interval_jitter": {"value": wanted["intervalJitter"]}} if "intervalJitter" in wanted else {})


def _others(spec: Object, made: Client, _: str) -> None:
    made.manager["server_header_transformation"] = "PASS_THROUGH"
    if spec.get("scheme") == "MatchBackend":
        made.manager["scheme_header_transformation"] = {"match_upstream": True}
    if "healthCheck" in spec:
        path = {"name": ":path", "string_match": {"exact": spec["healthCheck"]["path"]}}
        made.first.append(http.http_filter("health_check", pass_through_mode=False, headers=[path]))


def _bytes(what: str, value: Any, least: int = 0, most: int = 2**32 - 1) -> int:
    size = quantities.parse(value)
    if size != size.to_integral_value() or not least <= size <= most:
        raise Invalid(f"{what} value {value} is out of range, must be between {least} and {most}")
    return int(size)


_PARTS = {
    "Connection": _connection,
    "Timeout": _timeouts,
    "ClientIPDetection": client_headers.addresses,
    "Headers": client_headers.headers,
    "Path": client_headers.paths,
    "HTTP1": _http1,
    "HTTP2": _http2,
    "Others": _others,
}
