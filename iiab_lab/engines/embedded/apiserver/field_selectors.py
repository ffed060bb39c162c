"""Which fields a list or a watch of a kind can be selected by: the same as in Kubernetes, and no others."""

from __future__ import annotations

from ....errors import ApiError
from ..objects.selectors import Requirement
from ..store.registry import Resource

_ALL = ("metadata.name", "metadata.namespace")
_ABOUT = ("apiVersion", "kind", "name", "namespace", "uid", "resourceVersion", "fieldPath")
_FIELDS: dict[str, tuple[str, ...]] = {
    "pods": (
        *(
            f"spec.{name}"
            for name in ("nodeName", "restartPolicy", "schedulerName", "serviceAccountName", "hostNetwork")
        ),
        *("status.phase", "status.podIP"),
    ),
    "events": (*(f"involvedObject.{name}" for name in _ABOUT), "reason", "reportingComponent", "type"),
    "secrets": ("type",),
    "namespaces": ("status.phase",),
    "nodes": ("spec.unschedulable",),
    "services": ("spec.clusterIP", "spec.type"),
    "replicasets.apps": ("status.replicas",),
    "certificatesigningrequests.certificates.k8s.io": ("spec.signerName",),
}


def supported(resource: Resource, requirements: list[Requirement]) -> list[Requirement]:
    """The same requirements; raises 400 for a field that is none of these."""
    known = (*_ALL, *_FIELDS.get(resource.kind.resource, ()), *resource.selectable)
    for field, _, _ in requirements:
        if field not in known:
            raise ApiError(400, "BadRequest", f"field label not supported: {field}", f"choose of: {', '.join(known)}")
    return requirements
