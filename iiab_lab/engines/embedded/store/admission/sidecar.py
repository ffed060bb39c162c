"""A new Pod in a Namespace labelled `istio-injection: enabled` → the same Pod with a sidecar. Istio's injector."""

from __future__ import annotations

import json

from ...objects.kinds import NAMESPACE, Key
from ...objects.meta import Object, annotations_of, labels_of
from ...objects.names import INJECT, INJECTION, SIDECAR, SIDECAR_STATUS
from ...objects.pods import has_proxy
from . import Admit

# Equal to the release in manifests/versions.yaml; a test compares.
IMAGE = "istio/proxyv2:1.31.0-rc.0"
STATS_PORT, READY_PORT = 15090, 15021

CONTAINER = {
    "name": SIDECAR,
    "image": IMAGE,
    "args": ["proxy", "sidecar"],
    "ports": [
        {"containerPort": STATS_PORT, "name": "http-envoy-prom", "protocol": "TCP"},
        {"containerPort": READY_PORT, "name": "status-port", "protocol": "TCP"},
    ],
    # Istio's own defaults; a ResourceQuota counts them.
    "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"cpu": "2", "memory": "1Gi"}},
    "readinessProbe": {
        "httpGet": {"path": "/healthz/ready", "port": READY_PORT},
        "periodSeconds": 15,
        "timeoutSeconds": 3,
    },
}


def inject(admit: Admit) -> Object | None:
    pod = admit.object
    if pod is None or admit.operation != "CREATE" or not _wanted(admit, pod):
        return pod
    pod["spec"]["containers"].append(json.loads(json.dumps(CONTAINER)))
    names = {"containers": [SIDECAR], "revision": "default"}
    pod["metadata"]["annotations"] = annotations_of(pod) | {SIDECAR_STATUS: json.dumps(names)}
    return pod


def _wanted(admit: Admit, pod: Object) -> bool:
    """The Pod's own word counts, as a label or an annotation; else its Namespace's."""
    if has_proxy(pod):
        return False
    said = labels_of(pod).get(INJECT) or annotations_of(pod).get(INJECT)
    if said is not None:
        return said == "true"
    namespace = admit.reader.read(NAMESPACE, Key("", pod["metadata"]["namespace"]))
    return namespace is not None and labels_of(namespace).get(INJECTION) == "enabled"
