"""A new Pod that mounts a directory of the node → or 403: only in a Namespace that may, and only what this node has.

Kubernetes' Pod Security admission, for this one control: without a label of its own a Namespace is held to `baseline`.
"""

from __future__ import annotations

from .....errors import ApiError
from ...objects.kinds import NAMESPACE, Key
from ...objects.meta import Object, labels_of
from ...objects.names import NODE_PATHS, POD_SECURITY
from . import Admit


def check(admit: Admit) -> Object | None:
    pod = admit.object
    if pod is None or admit.operation != "CREATE":
        return pod
    asked = {one["name"]: one["hostPath"]["path"] for one in pod["spec"].get("volumes") or () if "hostPath" in one}
    if asked and (level := _level(admit, pod)) != "privileged":
        named = ", ".join(f'"{name}"' for name in asked)
        why = f'violates PodSecurity "{level}:latest": hostPath volumes (volume{"s" * (len(asked) > 1)} {named})'
        raise _forbidden(pod, why, "use a persistentVolumeClaim; the node's own directories are for the platform")
    if strange := sorted(set(asked.values()) - NODE_PATHS.keys()):
        raise _forbidden(pod, f"this node has no {strange[0]}", f"it has: {', '.join(NODE_PATHS)}")
    return pod


def _level(admit: Admit, pod: Object) -> str:
    namespace = admit.reader.read(NAMESPACE, Key("", pod["metadata"]["namespace"]))
    return labels_of(namespace or {"metadata": {}}).get(POD_SECURITY, "baseline")


def _forbidden(pod: Object, why: str, cure: str) -> ApiError:
    return ApiError(403, "Forbidden", f'pods "{pod["metadata"].get("name", "")}" is forbidden: {why}', cure)
