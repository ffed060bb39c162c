"""A log file's place on the node → which hop of the platform writes there. What else is in a line says nothing about that.

Files lie as the kubelet lays them: <namespace>_<pod>_<uid>/<container>/<attempt>.log. Only containers of the platform's own
count: a tenant's program may print what it likes.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

API, TIER_1, TIER_2, ACTIVATOR, SIDECAR = "api-server", "tier-1", "tier-2", "activator", "sidecar"
MANAGEMENT, IDENTITY, METRICS, AUDIT = "management", "identity", "metrics", "audit"
EDGE_NAMESPACE = "envoy-gateway-system"
_PROXY = "istio-proxy"
# From the outside in: the further in, the later it decides.
ORDER = (API, AUDIT, TIER_1, TIER_2, ACTIVATOR, SIDECAR, MANAGEMENT, IDENTITY, METRICS)
# (namespace, container) → hop; the sidecar of any other Pod is a sidecar.
_HOPS = {
    (EDGE_NAMESPACE, "envoy"): TIER_1,
    ("istio-system", _PROXY): TIER_2,
    ("knative-serving", _PROXY): ACTIVATOR,
    ("default", "management"): MANAGEMENT,
    ("identity", "identity"): IDENTITY,
    ("monitoring", "metrics"): METRICS,
}


class Place(NamedTuple):
    hop: str
    namespace: str
    pod: str

    @property
    def name(self) -> str:
        return f"{self.namespace}/{self.pod}" if self.pod else ""


def place(folder: str, container: str) -> Place | None:
    """`folder` is the Pod's; None for a log that is no hop's."""
    namespace, _, rest = folder.partition("_")
    pod = rest.rpartition("_")[0]
    hop = _HOPS.get((namespace, container)) or (SIDECAR if container == _PROXY else "")
    return Place(hop, namespace, pod) if hop and pod else None


def logs(pods: Path) -> Iterator[tuple[Path, Place]]:
    """The log files of every hop below the folder of Pods, the older attempts first."""
    for container in pods.glob("*/*/"):
        if found := place(container.parent.name, container.name):
            files = [file for file in container.glob("*.log") if file.stem.isdecimal()]
            yield from ((file, found) for file in sorted(files, key=lambda file: int(file.stem)))
