"""The rules of VirtualServices → an Envoy virtual host's routes: the first that matches is taken.

KServe's top-level VirtualService only says that one host means another and sends the request through the local gateway
again. Here that second pass is resolved beforehand: the routes of the host it means are taken in its place.
Source: istio/istio, pilot/pkg/networking/core/route.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from ..objects.kinds import Key
from ..objects.meta import Object
from . import virtual_actions, virtual_headers, virtual_matches
from .destinations import Destinations
from .virtual_hosts import gateway_key

Resource = dict[str, Any]

_LOCAL_GATEWAY = "knative-local-gateway.istio-system.svc.cluster.local"


class Way(NamedTuple):
    """How requests come in: through which Gateway, at which port of it, over TLS or not."""

    gateway: Key
    port: int
    tls: bool


def translate(
    services: Sequence[Object], way: Way, served: Mapping[str, Sequence[Object]], found: Destinations
) -> list[Resource]:
    """`served`: who serves which host. What matches everything goes last, so that it hides no other VirtualService."""
    made = [route for service in services for route in _of_service(service, way, served, found)]
    return sorted(made, key=lambda route: virtual_matches.is_catch_all(route["match"]))


def _of_service(
    service: Object, way: Way, served: Mapping[str, Sequence[Object]], found: Destinations
) -> Iterator[Resource]:
    for rule in service["spec"].get("http") or ():
        for resolved in _resolved(service, rule, served):
            for match in resolved.get("match") or [{}]:
                if _applies(match, service, way):
                    route = _route(service, resolved, match, way, found)
                    yield route
                    if virtual_matches.is_catch_all(route["match"]):
                        return  # nothing comes past it


def _applies(match: Object, service: Object, way: Way) -> bool:
    gateways = {gateway_key(name, service) for name in match.get("gateways") or ()}
    return match.get("port", way.port) in (0, way.port) and (not gateways or way.gateway in gateways)


def _route(service: Object, rule: Object, match: Object, way: Way, found: Destinations) -> Resource:
    name = ".".join(part for part in (rule.get("name"), match.get("name")) if part)
    headers = virtual_headers.translate(rule.get("headers"))
    made: Resource = {"name": name} if name else {}
    made["match"] = virtual_matches.translate(match)
    if "redirect" in rule:
        made |= {"redirect": virtual_actions.redirect(rule["redirect"], way.port, way.tls), **headers.fields}
    elif "directResponse" in rule:
        made |= {"direct_response": virtual_actions.direct_response(rule["directResponse"]), **headers.fields}
    elif not rule.get("route"):
        hosts = " ".join(service["spec"].get("hosts") or ())
        body = {"inline_string": f"No revision is ready behind {hosts}\n"}
        made["direct_response"] = {"status": 503, "body": body}
    else:
        made |= virtual_actions.forward(service, rule, headers, way.port, found)
    if per_filter := virtual_actions.per_filter(rule):
        made["typed_per_filter_config"] = per_filter
    return made


def _resolved(service: Object, rule: Object, served: Mapping[str, Sequence[Object]]) -> list[Object]:
    """The rule, or, where it leads through the local gateway, the rules of the host it means, with its headers."""
    targets = [route["destination"]["host"] for route in rule.get("route") or ()]
    authority = (rule.get("rewrite") or {}).get("authority") or virtual_headers.authority(rule.get("headers"))
    if targets != [_LOCAL_GATEWAY] or not authority:
        return [rule]
    inner = [item for meant in served.get(authority, ()) if meant is not service for item in meant["spec"]["http"]]
    resolved = [_through(rule, item, authority) for item in inner]
    return [item for item in resolved if item["match"]] or [{"match": rule.get("match")}]


def _through(outer: Object, inner: Object, authority: str) -> Object:
    """The inner rule for what the outer matches. The authority that the inner sees is known already."""
    matches = [
        {**first, **{field: value for field, value in then.items() if field not in ("authority", "gateways", "port")}}
        for first in outer.get("match") or [{}]
        for then in inner.get("match") or [{}]
        if virtual_matches.holds(then.get("authority") or {}, authority)
    ]
    timeout = {"timeout": outer["timeout"]} if "timeout" in outer and "timeout" not in inner else {}
    headers = virtual_headers.merged(outer.get("headers"), inner.get("headers"))
    return {**inner, **timeout, "match": matches, "headers": headers}
