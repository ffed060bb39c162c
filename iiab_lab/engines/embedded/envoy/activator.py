"""The activator's Pod → the configuration of its proxy: each request asks the activator first, and goes to the Pod it names.

It comes from tier 2 over mTLS like any other, waits in the external processing filter, and leaves over mTLS for the address
in a header (an ORIGINAL_DST cluster): no endpoint set has to arrive before a request may go on.
"""

from __future__ import annotations

from typing import Any

from ..objects.meta import Object
from . import http, sidecar
from .guard import Guard
from .ingress import BACKEND, PLAIN
from .snapshot import Snapshot

Resource = dict[str, Any]

APP, NAMESPACE = "activator", "knative-serving"
HOLD, CONTROL = 8012, 8013
_ASKED = "activator"
# The activator's own timeout, the revision's, comes first.
_LONGEST = "3600s"


def snapshot(pod: sidecar.Pod, identity: sidecar.Identity, guard: Guard) -> Snapshot:
    """As any sidecar's, but for the port on which requests are held."""
    made = sidecar.snapshot(pod, identity, guard)
    anywhere = [{"san_type": "URI", "matcher": {"prefix": "spiffe://cluster.local/ns/"}}]
    clusters: dict[str, Any] = {
        _ASKED: http.pipe_cluster(_ASKED, pod.sockets[HOLD], http2=True),
        "meshed": _named(http.upstream_tls("outbound_.activator", identity.root, anywhere, sidecar.IDENTITY)),
        "plain": _named(None),
    }
    held = sidecar.inbound(pod, HOLD, _routes(), guard, identity.root, [_asking()])
    listeners = {
        name: one for name, one in made.listeners.items() if name not in (f"inbound_{HOLD}", f"inbound_{CONTROL}")
    }
    own = {
        name: one for name, one in made.clusters.items() if name not in (f"inbound|{HOLD}||", f"inbound|{CONTROL}||")
    }
    return Snapshot(
        clusters=own | {name: cluster | {"name": name} for name, cluster in clusters.items()},
        listeners=listeners | {f"inbound_{HOLD}": held},
        secrets=made.secrets,
    )


def is_activator(pod: Object) -> bool:
    meta = pod["metadata"]
    return meta["namespace"] == NAMESPACE and (meta.get("labels") or {}).get("app") == APP


def _named(tls: Resource | None) -> Resource:
    source = {
        "type": "ORIGINAL_DST",
        "original_dst_lb_config": {"use_http_header": True, "http_header_name": BACKEND},
        "circuit_breakers": http.UNLIMITED,
    }
    return http.cluster("", source, tls) | {"lb_policy": "CLUSTER_PROVIDED"}


def _asking() -> Resource:
    return http.http_filter(
        "ext_proc",
        grpc_service={"envoy_grpc": {"cluster_name": _ASKED}},
        processing_mode={"request_header_mode": "SEND", "response_header_mode": "SEND"},
        message_timeout=_LONGEST,
        status_on_error={"code": "ServiceUnavailable"},
        # Of a request that is with a Pod already, the program only waits for the end. Without a Pod's name none goes anywhere.
        failure_mode_allow=True,
    )


def _routes() -> list[Resource]:
    plain = {"prefix": "/", "headers": [{"name": PLAIN, "string_match": {"exact": "true"}}]}
    return [
        {"match": plain, "route": {"cluster": "plain", "timeout": "0s"}},
        {"match": {"prefix": "/"}, "route": {"cluster": "meshed", "timeout": "0s"}},
    ]
