"""A meshed Pod, its certificate and the policies that apply to it → the whole configuration of its sidecar.

One listener per port of the application, on the Pod's own address: TLS with the Pod's SPIFFE identity, a client certificate
of the mesh required (PeerAuthentication STRICT), what the mesh's policies put before it, and then the application's unix socket. For a Pod of
Knative it does queue-proxy's work besides: the limit of its revision, and the queue before it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ..objects.kinds import REVISION, Key
from ..objects.meta import Object, labels_of
from ..objects.names import KN_REVISION, SIDECAR
from . import http, telemetry
from .guard import Guard
from .peer_authentication import DISABLE, STRICT
from .snapshot import Snapshot
from .world import IDENTITY, World

READY_PORT = 15021
# Where Prometheus asks a model server, past its queue: that is no use of the model.
_METRICS: dict[str, Any] = {"path": "/metrics", "headers": [{"name": ":method", "string_match": {"exact": "GET"}}]}
# A server that was killed is back in a moment; what has not reached it can wait for that.
_RESTARTS: dict[str, Any] = {
    "retry_on": "connect-failure",
    "num_retries": 12,
    "retry_back_off": {"base_interval": "0.025s", "max_interval": "0.25s"},
}
# Model servers close an idle connection after 5 s (uvicorn): whoever closes first never sends into a closed one.
_IDLE = "4s"


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


class Queue(NamedTuple):
    """Of a revision: its name, containerConcurrency, timeoutSeconds, idleTimeoutSeconds (0: none)."""

    revision: str
    limit: int
    timeout: int
    idle: int


def snapshot(pod: Pod, identity: Identity, guard: Guard, queue: Queue | None = None) -> Snapshot:
    listeners, clusters = {"ready": http.ready(pod.ports[READY_PORT], "/healthz/ready")}, dict(guard.clusters)
    for port in application_ports(pod.object):
        name = f"inbound|{port}||"
        clusters[name] = _application(name, pod.sockets[port], queue.limit if queue else 0)
        routes: list[dict[str, Any]] = [{"match": {"prefix": "/"}, "route": {"cluster": name, "timeout": "0s"}}]
        if queue:
            past = f"{name}unqueued"
            clusters[past] = _application(past, pod.sockets[port], 0)
            routes = [{"match": _METRICS, "route": {"cluster": past}}, _queued(name, queue)]
        listeners[f"inbound_{port}"] = inbound(pod, port, routes, guard, identity.root)
    return Snapshot(clusters=clusters, listeners=listeners, secrets=secrets(identity))


def queue(world: World, pod: Object) -> Queue | None:
    """None for a Pod that is no revision's."""
    name = labels_of(pod).get(KN_REVISION, "")
    revision = world.get(REVISION, Key(pod["metadata"]["namespace"], name)) if name else None
    if revision is None:
        return None
    spec = revision["spec"]
    names = ("containerConcurrency", "timeoutSeconds", "idleTimeoutSeconds")
    return Queue(name, *(spec.get(field, 0) for field in names))


def _queued(cluster: str, queue: Queue) -> dict[str, Any]:
    """Whoever compares versions sees which one answered."""
    told = {"key": "knative-serving-revision", "value": queue.revision}
    return {
        "match": {"prefix": "/"},
        "route": {
            "cluster": cluster,
            "timeout": f"{queue.timeout}s",
            "idle_timeout": f"{queue.idle}s",
            "retry_policy": _RESTARTS,
        },
        "response_headers_to_add": [{"header": told, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}],
    }


def _application(name: str, socket: str, limit: int) -> dict[str, Any]:
    """Knative's queue-proxy lets ten times as many wait as may run."""
    breakers = http.breaker(limit, 10 * limit) if limit else http.UNLIMITED
    return http.pipe_cluster(name, socket, idle=_IDLE) | {"circuit_breakers": breakers}


def secrets(identity: Identity) -> dict[str, dict[str, Any]]:
    return {IDENTITY: http.certificate(IDENTITY, identity.chain, identity.key)}


def application_ports(pod: Object) -> list[int]:
    containers = [container for container in pod["spec"]["containers"] if container["name"] != SIDECAR]
    return sorted({port["containerPort"] for container in containers for port in container.get("ports") or ()})


def inbound(
    pod: Pod, port: int, routes: Sequence[dict[str, Any]], guard: Guard, root: str, last: Sequence[dict[str, Any]] = ()
) -> dict[str, Any]:
    """The listener of one port: who may come in, and where each request goes. `last`: filters behind those of the guard."""
    name, mode, before = f"inbound_{port}", guard.modes[port], guard.connections[port]
    secure = {
        "transport_socket": http.downstream_tls(IDENTITY, root),
        "filters": [*before, _manager(pod, port, routes, guard, last, "mutual_tls")],
    }
    plain = {"filters": [*before, _manager(pod, port, routes, guard, last, "none")]}
    log = {"access_log": [telemetry.connection_log("sidecar", port)]} if before else {}
    if mode == STRICT:
        return http.listener(name, pod.ports[port], [secure], listener_filters=http.PEEKING, **log)
    if mode == DISABLE:
        return http.listener(name, pod.ports[port], [plain], **log)
    chains = [
        {"filter_chain_match": {"transport_protocol": "tls"}, **secure},
        {"filter_chain_match": {"transport_protocol": "raw_buffer"}, **plain},
    ]
    return http.listener(name, pod.ports[port], chains, listener_filters=http.PEEKING, **log)


def _manager(
    pod: Pod,
    port: int,
    routes: Sequence[dict[str, Any]],
    guard: Guard,
    last: Sequence[dict[str, Any]],
    security: str,
) -> dict[str, Any]:
    name = f"inbound|{port}||"
    config = {
        "route_config": {"name": name, "virtual_hosts": [{"name": name, "domains": ["*"], "routes": list(routes)}]}
    }
    return http.manager(
        f"inbound_{port}",
        config,
        [*guard.filters, *last],
        _logs(pod.object, guard, security),
        forward_client_cert_details="SANITIZE_SET",
        set_current_client_cert_details={"uri": True},
        generate_request_id=True,
        preserve_external_request_id=True,
        **http.FOR_PEERS,
    )


def _logs(pod: Object, guard: Guard, security: str) -> list[dict[str, Any]]:
    namespace, account = pod["metadata"]["namespace"], pod["spec"].get("serviceAccountName", "default")
    workload = labels_of(pod).get("app", pod["metadata"]["name"])
    name = labels_of(pod).get("serving.knative.dev/revision", workload)
    labels = {
        "connection_security_policy": security,
        "source_principal": "%DOWNSTREAM_PEER_URI_SAN%",
        "destination_principal": f"spiffe://cluster.local/ns/{namespace}/sa/{account}",
        "destination_workload": workload,
        "destination_workload_namespace": namespace,
        "destination_app": workload,
        "destination_service": f"{name}.{namespace}.svc.cluster.local",
        "destination_service_name": name,
        "destination_service_namespace": namespace,
    }
    fields = {"hop": "sidecar", **telemetry.MESH, **guard.log}
    return [telemetry.json_log(fields), telemetry.istio_metrics("destination", labels)]
