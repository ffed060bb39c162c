"""headers, path and clientIPDetection of a ClientTrafficPolicy → which of a client's own words are believed, and what it is told.

Source of defaults and messages: envoyproxy/gateway, internal/gatewayapi/clienttrafficpolicy.go, internal/xds/translator/listener.go.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any

from ..objects.meta import Object
from . import http
from .header_mutations import mutations
from .verdicts import Invalid

if TYPE_CHECKING:
    from .client_traffic import Client

Resource = dict[str, Any]

_EXTENSIONS = "type.googleapis.com/envoy.extensions.http"
_EARLY = f"{_EXTENSIONS}.early_header_mutation.header_mutation.v3.HeaderMutation"
_ADDRESS = f"{_EXTENSIONS}.original_ip_detection"
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


def addresses(spec: Object, made: Client, _: str) -> None:
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


def headers(spec: Object, made: Client, _: str) -> None:
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


def paths(spec: Object, made: Client, _: str) -> None:
    wanted = spec.get("path") or {}
    made.manager["merge_slashes"] = not wanted.get("disableMergeSlashes", False)
    action = _SLASHES[wanted.get("escapedSlashesAction", "UnescapeAndRedirect")]
    made.manager["path_with_escaped_slashes_action"] = action


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
