"""A meshed Pod, its certificate and the policies that apply to it → the whole configuration of its sidecar.

One listener per port of the application, on the Pod's own address: TLS with the Pod's SPIFFE identity, a client certificate
of the mesh required (PeerAuthentication STRICT), AuthorizationPolicies, and then the application's unix socket.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ..objects.meta import Object, labels_of
from ..objects.names import SIDECAR
from . import authorization, http, telemetry
from .snapshot import Snapshot

ROOT = "istio-system"
READY_PORT = 15021
IDENTITY = "default"


class Identity(NamedTuple):
    """PEM: the workload's certificate chain and key, and the root of the mesh."""

    chain: str
    key: str
    root: str


class Pod(NamedTuple):
    """The Pod as its proxy sees it: `ports` containerPort → port on loopback, `sockets` containerPort → unix socket."""

    object: Object
    ports: Mapping[int, int]
    sockets: Mapping[int, str]


def snapshot(pod: Pod, identity: Identity, mode: str, policies: Sequence[Object]) -> Snapshot:
    """`mode` is the PeerAuthentication in force: STRICT or PERMISSIVE; `policies` the AuthorizationPolicies that apply."""
    listeners, clusters = {"ready": http.ready(pod.ports[READY_PORT], "/healthz/ready")}, {}
    filters = authorization.filters(policies)
    for port in application_ports(pod.object):
        name = f"inbound|{port}||"
        clusters[name] = http.pipe_cluster(name, pod.sockets[port])
        listeners[f"inbound_{port}"] = _inbound(pod, port, name, mode, filters, identity.root)
    return Snapshot(clusters=clusters, listeners=listeners, secrets=secrets(identity))


def secrets(identity: Identity) -> dict[str, dict[str, Any]]:
    return {IDENTITY: http.certificate(IDENTITY, identity.chain, identity.key)}


def application_ports(pod: Object) -> list[int]:
    containers = [container for container in pod["spec"]["containers"] if container["name"] != SIDECAR]
    return sorted({port["containerPort"] for container in containers for port in container.get("ports") or ()})


def peer_mode(policies: Sequence[Object], pod: Object) -> str:
    """The most specific PeerAuthentication wins: by selector, else of the namespace, else of the root; PERMISSIVE else."""
    best, mode = 0, "PERMISSIVE"
    for policy in policies:
        spec, namespace = policy.get("spec") or {}, policy["metadata"]["namespace"]
        wanted = (spec.get("selector") or {}).get("matchLabels") or {}
        said = (spec.get("mtls") or {}).get("mode", "UNSET")
        if said == "UNSET" or not wanted.items() <= labels_of(pod).items():
            continue
        here = namespace == pod["metadata"]["namespace"]
        rank = 3 if here and wanted else 2 if here else 1 if namespace == ROOT and not wanted else 0
        if rank > best:
            best, mode = rank, said
    return mode


def _inbound(
    pod: Pod, port: int, cluster: str, mode: str, filters: Sequence[dict[str, Any]], root: str
) -> dict[str, Any]:
    route = {"match": {"prefix": "/"}, "route": {"cluster": cluster, "timeout": "0s"}}
    routes = {
        "route_config": {"name": cluster, "virtual_hosts": [{"name": cluster, "domains": ["*"], "routes": [route]}]}
    }
    manager = http.manager(
        f"inbound_{port}",
        routes,
        filters,
        _logs(pod.object),
        forward_client_cert_details="SANITIZE_SET",
        set_current_client_cert_details={"uri": True},
        generate_request_id=True,
        preserve_external_request_id=True,
    )
    secure = {"transport_socket": http.downstream_tls(IDENTITY, root), "filters": [manager]}
    if mode == "STRICT":
        return http.listener(f"inbound_{port}", pod.ports[port], [secure])
    inspector = "type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector"
    chains = [
        {"filter_chain_match": {"transport_protocol": "tls"}, **secure},
        {"filter_chain_match": {"transport_protocol": "raw_buffer"}, "filters": [manager]},
    ]
    peeking = [{"name": "envoy.filters.listener.tls_inspector", "typed_config": {"@type": inspector}}]
    return http.listener(f"inbound_{port}", pod.ports[port], chains, listener_filters=peeking)


def _logs(pod: Object) -> list[dict[str, Any]]:
    namespace, account = pod["metadata"]["namespace"], pod["spec"].get("serviceAccountName", "default")
    workload = labels_of(pod).get("app", pod["metadata"]["name"])
    name = labels_of(pod).get("serving.knative.dev/revision", workload)
    labels = {
        "source_principal": "%DOWNSTREAM_PEER_URI_SAN%",
        "destination_principal": f"spiffe://cluster.local/ns/{namespace}/sa/{account}",
        "destination_workload": workload,
        "destination_workload_namespace": namespace,
        "destination_app": workload,
        "destination_service": f"{name}.{namespace}.svc.cluster.local",
        "destination_service_name": name,
        "destination_service_namespace": namespace,
    }
    return [telemetry.json_log({"hop": "sidecar", **telemetry.MESH}), telemetry.istio_metrics("destination", labels)]
