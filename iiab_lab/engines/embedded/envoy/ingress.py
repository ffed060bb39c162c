"""Istio Gateways, VirtualServices and what they lead to → the whole configuration of an ingress gateway: tier 2.

KServe's top-level VirtualService only says that one host means another and sends the request through the local gateway
again. Here that second pass is resolved beforehand: the routes of the host it means are taken in its place.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from ..objects.kinds import ISTIO_GATEWAY, SERVICE, VIRTUAL_SERVICE, Key
from ..objects.meta import Object, labels_of
from . import http, sidecar, telemetry
from .guard import Guard
from .snapshot import Snapshot
from .world import World, backend, secret_text, spiffe

Resource = dict[str, Any]

# In these the activator tells its proxy which Pod a request goes to, and whether that has a sidecar: nobody else may.
BACKEND, PLAIN = "x-activator-backend", "x-activator-plain"
_LOCAL_GATEWAY = "knative-local-gateway.istio-system.svc.cluster.local"


class Destination(NamedTuple):
    service: Key
    port: int

    @property
    def cluster(self) -> str:
        return f"outbound|{self.port}||{self.service.name}.{self.service.namespace}.svc.cluster.local"


class _Made(NamedTuple):
    """What the translation adds to as it goes; `root` is the mesh's, PEM."""

    clusters: Resource
    endpoints: Resource
    routes: Resource
    secrets: Resource
    root: str


def snapshot(world: World, pod: sidecar.Pod, identity: sidecar.Identity, guard: Guard) -> Snapshot:
    listeners = {"ready": http.ready(pod.ports[sidecar.READY_PORT], "/healthz/ready")}
    made = _Made({}, {}, {}, sidecar.secrets(identity), identity.root)
    for gateway in _gateways(world, pod.object):
        for server in gateway["spec"].get("servers") or ():
            own = _own_port(world, pod, server["port"]["number"])
            tls = _server_secrets(world, pod.object, server, made.secrets)
            if own is None or tls is None:
                continue
            table = f"{server['port']['name']}.{gateway['metadata']['name']}.{gateway['metadata']['namespace']}"
            hosts = list(_virtual_hosts(world, gateway, server, made))
            made.routes[table] = {
                "name": table,
                "virtual_hosts": hosts,
                "validate_clusters": False,
                "request_headers_to_remove": [BACKEND, PLAIN],
            }
            peeking = {"listener_filters": http.PEEKING} if tls else {}
            chains = [tls | {"filters": [_manager(table, guard)]}]
            listeners[f"{own}"] = http.listener(f"{own}", own, chains, **peeking)
    return Snapshot(guard.clusters | made.clusters, made.endpoints, listeners, made.routes, made.secrets)


def _gateways(world: World, pod: Object) -> list[Object]:
    gateways = world.list(ISTIO_GATEWAY)
    return [g for g in gateways if (g["spec"].get("selector") or {}).items() <= labels_of(pod).items()]


def _own_port(world: World, pod: sidecar.Pod, number: int) -> int | None:
    """A server's port is its Service's: the Pod listens on the targetPort."""
    for service in world.list(SERVICE, pod.object["metadata"]["namespace"]):
        selector = (service["spec"].get("selector") or {}).items()
        if selector and selector <= labels_of(pod.object).items():
            for port in service["spec"].get("ports") or ():
                if port["port"] == number and port.get("targetPort", number) in pod.ports:
                    return pod.ports[port.get("targetPort", number)]
    return pod.ports.get(number)


def _server_secrets(world: World, pod: Object, server: Object, secrets: Resource) -> Resource | None:
    """The transport socket of a server; None while its Secret is not there."""
    tls = server.get("tls") or {}
    if not tls:
        return {}
    name = tls["credentialName"]
    key = Key(pod["metadata"]["namespace"], name)
    chain, private, ca = (secret_text(world, key, field) for field in ("tls.crt", "tls.key", "ca.crt"))
    mutual = tls.get("mode") == "MUTUAL"
    if not chain or not private or (mutual and not ca):
        return None
    secrets[f"kubernetes://{name}"] = http.certificate(f"kubernetes://{name}", chain, private)
    return {"transport_socket": http.downstream_tls(f"kubernetes://{name}", ca if mutual and ca else "")}


def _manager(table: str, guard: Guard) -> Resource:
    labels = {
        "source_workload": "istio-ingressgateway",
        "source_workload_namespace": "istio-system",
        "source_principal": spiffe("istio-system", "istio-ingressgateway"),
        "source_app": "istio-ingressgateway",
        "destination_principal": "%UPSTREAM_PEER_URI_SAN%",
        "destination_service": "%CLUSTER_METADATA(istio:host)%",
        "destination_service_name": "%CLUSTER_METADATA(istio:name)%",
        "destination_service_namespace": "%CLUSTER_METADATA(istio:namespace)%",
        "destination_workload_namespace": "%CLUSTER_METADATA(istio:namespace)%",
    }
    fields = {"hop": "tier-2", **telemetry.MESH, **guard.log}
    logs = [telemetry.json_log(fields), telemetry.istio_metrics("source", labels)]
    more = {
        "forward_client_cert_details": "SANITIZE_SET",
        "set_current_client_cert_details": {"uri": True},
        "preserve_external_request_id": True,
        "strip_any_host_port": True,
    }
    return http.manager(f"outbound_{table}", http.rds(table), guard.filters, logs, **more)


def _virtual_hosts(world: World, gateway: Object, server: Object, made: _Made) -> Iterator[Resource]:
    """One per VirtualService bound to the gateway; a host belongs to the first that names it."""
    taken: set[str] = set()
    for service in _bound(world, gateway):
        hosts = [host for host in service["spec"].get("hosts") or () if host not in taken and _served(host, server)]
        taken.update(hosts)
        if hosts:
            key = f"{service['metadata']['namespace']}/{service['metadata']['name']}"
            yield {"name": key, "domains": hosts, "routes": list(_routes(world, service, made))}


def _bound(world: World, gateway: Object) -> list[Object]:
    full = f"{gateway['metadata']['namespace']}/{gateway['metadata']['name']}"
    found = [
        service
        for service in world.list(VIRTUAL_SERVICE)
        if full
        in {g if "/" in g else f"{service['metadata']['namespace']}/{g}" for g in service["spec"].get("gateways") or ()}
    ]
    return sorted(
        found, key=lambda service: (service["metadata"].get("creationTimestamp", ""), service["metadata"]["name"])
    )


def _served(host: str, server: Object) -> bool:
    return any(
        name == "*" or name == host or (name.startswith("*.") and host.endswith(name[1:])) for name in server["hosts"]
    )


def _routes(world: World, service: Object, made: _Made) -> Iterator[Resource]:
    for rule in service["spec"].get("http") or ():
        for resolved in _resolved(world, service, rule):
            for match in _matches(rule):
                yield {"match": match, **_action(world, service, resolved, made)}


def _resolved(world: World, service: Object, rule: Object) -> list[Object]:
    """The rule, or, where it leads through the local gateway, the rules of the host it means, with its headers."""
    targets = [route["destination"]["host"] for route in rule.get("route") or ()]
    authority = (((rule.get("headers") or {}).get("request") or {}).get("set") or {}).get("Host")
    authority = (rule.get("rewrite") or {}).get("authority", authority)
    if targets != [_LOCAL_GATEWAY] or not authority:
        return [rule]
    meant = [s for s in world.list(VIRTUAL_SERVICE) if s is not service and authority in (s["spec"].get("hosts") or ())]
    inner = [inner for s in meant for inner in s["spec"].get("http") or ()]
    return [item | {"headers": _merged(rule.get("headers"), item.get("headers"))} for item in inner] or [{}]


def _merged(outer: Object | None, inner: Object | None) -> Object:
    wanted: Object = {}
    for headers in (outer or {}, inner or {}):
        for side, changes in headers.items():
            for verb, values in changes.items():
                known = wanted.setdefault(side, {})
                known[verb] = (
                    {**known.get(verb, {}), **values} if isinstance(values, dict) else [*known.get(verb, []), *values]
                )
    return wanted


def _matches(rule: Object) -> list[Resource]:
    return [_match(match) for match in rule.get("match") or ()] or [{"prefix": "/"}]


def _match(match: Object) -> Resource:
    uri = match.get("uri") or {}
    path: Resource = {"prefix": "/"}
    if uri:
        kind, value = next(iter(uri.items()))
        path = {"safe_regex": {"regex": value}} if kind == "regex" else {"path" if kind == "exact" else kind: value}
    named = {":authority": match.get("authority"), ":method": match.get("method"), **(match.get("headers") or {})}
    headers = [{"name": name.lower(), "string_match": _string(value)} for name, value in named.items() if value]
    return path | ({"headers": headers} if headers else {})


def _string(value: Object) -> Resource:
    kind, text = next(iter(value.items()))
    return {"safe_regex": {"regex": text}} if kind == "regex" else {kind: text}


def _action(world: World, service: Object, rule: Object, made: _Made) -> Resource:
    weighted = []
    for route in rule.get("route") or ():
        destination = _destination(service, route["destination"])
        _add_cluster(world, destination, made)
        item = {"name": destination.cluster, "weight": route.get("weight", 0 if len(rule["route"]) > 1 else 1)}
        weighted.append(item | _header_changes(route.get("headers")))
    if not any(item["weight"] for item in weighted):
        hosts = " ".join(service["spec"].get("hosts") or ())
        return {"direct_response": {"status": 503, "body": {"inline_string": f"No revision is ready behind {hosts}\n"}}}
    route_action: Resource = {"weighted_clusters": {"clusters": weighted}, "timeout": rule.get("timeout", "0s")}
    headers = dict(rule.get("headers") or {})
    request = dict(headers.get("request") or {})
    # Envoy sets the authority by the route, not by a header.
    authority = (request.get("set") or {}).get("Host") or (rule.get("rewrite") or {}).get("authority")
    if authority:
        route_action["host_rewrite_literal"] = authority
        request["set"] = {name: value for name, value in (request.get("set") or {}).items() if name != "Host"}
    return {"route": route_action, **_header_changes(headers | {"request": request})}


def _header_changes(headers: Object | None) -> Resource:
    made: Resource = {}
    for side, field in (("request", "request_headers"), ("response", "response_headers")):
        changes = (headers or {}).get(side) or {}
        added = [
            _header(name, value, "OVERWRITE_IF_EXISTS_OR_ADD") for name, value in (changes.get("set") or {}).items()
        ]
        added += [_header(name, value, "APPEND_IF_EXISTS_OR_ADD") for name, value in (changes.get("add") or {}).items()]
        if added:
            made[f"{field}_to_add"] = added
        if changes.get("remove"):
            made[f"{field}_to_remove"] = list(changes["remove"])
    return made


def _header(name: str, value: str, action: str) -> Resource:
    return {"header": {"key": name, "value": value}, "append_action": action}


def _destination(service: Object, destination: Object) -> Destination:
    name = re.sub(r"\.svc(\.cluster\.local)?$", "", destination["host"])
    short, _, namespace = name.partition(".")
    port = (destination.get("port") or {}).get("number", 80)
    return Destination(Key(namespace or service["metadata"]["namespace"], short), port)


def _add_cluster(world: World, destination: Destination, made: _Made) -> None:
    found = backend(world, destination.service, destination.port)
    sans = [
        {"san_type": "URI", "matcher": {"exact": spiffe(*account)}} for account in (found.accounts if found else ())
    ] or [{"san_type": "URI", "matcher": {"prefix": f"spiffe://cluster.local/ns/{destination.service.namespace}/sa/"}}]
    name, namespace = destination.service.name, destination.service.namespace
    host = f"{name}.{namespace}.svc.cluster.local"
    tls: Resource | None = http.upstream_tls(
        f"outbound_.{destination.port}_._.{host}", made.root, sans, sidecar.IDENTITY
    )
    if found and found.accounts and not found.meshed:
        tls = None  # Istio's automatic mTLS: a Pod without a sidecar has no certificate to show
    metadata = {"filter_metadata": {"istio": {"host": host, "name": name, "namespace": namespace}}}
    made.clusters[destination.cluster] = {
        **http.cluster(destination.cluster, http.followed(destination.cluster), tls),
        "metadata": metadata,
    }
    made.endpoints[destination.cluster] = http.endpoints(destination.cluster, found.addresses if found else [])
