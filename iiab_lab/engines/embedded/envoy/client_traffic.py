"""A ClientTrafficPolicy, or none → how one listener treats its clients: its connection manager, filters, limits and TLS.

Without a policy hold Envoy Gateway's own defaults: TLS 1.2 or newer, paths normalised, headers with underscores refused,
`server` left to the backend, Envoy's own headers kept from the backend. What a policy cannot mean closes the listener's routes (500).
Source of defaults and messages: envoyproxy/gateway, internal/gatewayapi/clienttrafficpolicy.go, internal/xds/translator/listener.go.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from ..objects import quantities
from ..objects.meta import Object
from . import client_tls, http
from .durations import seconds
from .header_mutations import mutations
from .verdicts import Invalid
from .world import World

Resource = dict[str, Any]

_EXTENSIONS = "type.googleapis.com/envoy.extensions"
_LIMIT = f"{_EXTENSIONS}.filters.network.connection_limit.v3.ConnectionLimit"
_EARLY = f"{_EXTENSIONS}.http.early_header_mutation.header_mutation.v3.HeaderMutation"
_ADDRESS = f"{_EXTENSIONS}.http.original_ip_detection"
_UNDERSCORES = {"Allow": "ALLOW", "RejectRequest": "REJECT_REQUEST", "DropHeader": "DROP_HEADER"}
_SLASHES = {
    "KeepUnchanged": "KEEP_UNCHANGED",
    "RejectRequest": "REJECT_REQUEST",
    "UnescapeAndForward": "UNESCAPE_AND_FORWARD",
    "UnescapeAndRedirect": "UNESCAPE_AND_REDIRECT",
}
_CERTIFICATES = {
    "Sanitize": "SANITIZE",
    "ForwardOnly": "FORWARD_ONLY",
    "AppendForward": "APPEND_FORWARD",
    "SanitizeSet": "SANITIZE_SET",
    "AlwaysForwardOnly": "ALWAYS_FORWARD_ONLY",
}
_REQUEST_IDS = {  # (generated where there is none, the client's own is kept)
    "PreserveOrGenerate": (True, True),
    "Preserve": (False, True),
    "Generate": (True, False),
    "Disable": (False, False),
}
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


def _addresses(spec: Object, made: Client, _: str) -> None:
    """Whose word on the client's address is taken. Whoever is trusted with it is also believed in Envoy's own headers."""
    wanted = spec.get("clientIPDetection") or {}
    if "customHeader" in wanted:
        header = wanted["customHeader"]
        config: Resource = {"header_name": header["name"], "allow_extension_to_set_address_as_trusted": True}
        config |= {"reject_with_status": {"code": "Forbidden"}} if header.get("failClosed") else {}
        extension = ("custom_header", "CustomHeaderConfig", config)
    elif "xForwardedFor" in wanted:
        extension = ("xff", "XffConfig", _forwarded(wanted["xForwardedFor"]))
    else:
        made.manager["use_remote_address"] = True
        return
    name, message, config = extension
    typed = {"@type": f"{_ADDRESS}.{name}.v3.{message}", **config}
    found = {"name": f"envoy.extensions.http.original_ip_detection.{name}", "typed_config": typed}
    made.manager |= {"use_remote_address": False, "original_ip_detection_extensions": [found]}


def _forwarded(wanted: Object) -> Resource:
    skip: Resource = {"skip_xff_append": wanted.get("disableXForwardedForAppend", False)}
    if "trustedCIDRs" not in wanted:
        return {"xff_num_trusted_hops": max(0, wanted.get("numTrustedHops", 0) - 1), **skip}
    try:
        networks = [ipaddress.ip_network(text, strict=False) for text in wanted["trustedCIDRs"]]
    except ValueError as error:
        raise Invalid(f"trustedCIDRs: {error}") from error
    ranges = [{"address_prefix": str(one.network_address), "prefix_len": one.prefixlen} for one in networks]
    return {"xff_trusted_cidrs": {"cidrs": ranges}, **skip}


def _headers(spec: Object, made: Client, _: str) -> None:
    wanted = spec.get("headers") or {}
    made.envoy_headers = wanted.get("enableEnvoyHeaders", False)
    made.limit_headers = not wanted.get("disableRateLimitHeaders", False)
    made.common["headers_with_underscores_action"] = _UNDERSCORES[wanted.get("withUnderscoresAction", "RejectRequest")]
    if "requestID" in wanted:
        generated, kept = _REQUEST_IDS[wanted["requestID"]]
        made.manager |= {"generate_request_id": generated, "preserve_external_request_id": kept}
    if (wanted.get("host") or {}).get("stripTrailingHostDot"):
        made.manager["strip_trailing_host_dot"] = True
    certificate = wanted.get("xForwardedClientCert") or {}
    mode = certificate.get("mode", "Sanitize")
    made.manager["forward_client_cert_details"] = _CERTIFICATES[mode]
    if mode in ("AppendForward", "SanitizeSet") and (details := certificate.get("certDetailsToAdd")):
        made.manager["set_current_client_cert_details"] = {one.lower(): True for one in details}
    if "earlyRequestHeaders" in wanted:
        early = {"@type": _EARLY, "mutations": mutations(wanted["earlyRequestHeaders"], "EarlyRequestHeaders")}
        extension = {"name": "envoy.http.early_header_mutation.header_mutation", "typed_config": early}
        made.manager["early_header_mutation_extensions"] = [extension]
    if "lateResponseHeaders" in wanted:
        late = mutations(wanted["lateResponseHeaders"], "LateResponseHeaders")
        made.late.append(http.http_filter("header_mutation", mutations={"response_mutations": late}))


def _paths(spec: Object, made: Client, _: str) -> None:
    wanted = spec.get("path") or {}
    made.manager["merge_slashes"] = not wanted.get("disableMergeSlashes", False)
    action = _SLASHES[wanted.get("escapedSlashesAction", "UnescapeAndRedirect")]
    made.manager["path_with_escaped_slashes_action"] = action


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
    "ClientIPDetection": _addresses,
    "Headers": _headers,
    "Path": _paths,
    "HTTP1": _http1,
    "HTTP2": _http2,
    "Others": _others,
}
