"""A new predictor Pod that names a storageUri → the same Pod with an init container that fetches the model.

KServe's Pod webhook: for `pvc://CLAIM/PATH` the claim is mounted, for every other scheme the initializer gets the URI; the
model lands in a volume that the server reads at /mnt/models.
"""

from __future__ import annotations

from ...objects.meta import Object, annotations_of
from ...objects.names import STORAGE_URI
from . import Admit

# Equal to the release in manifests/versions.yaml; a test compares.
IMAGE = "kserve/storage-initializer:v0.20.0"
NAME, MODELS, CLAIM = "storage-initializer", "/mnt/models", "/mnt/pvc"
# KServe's own defaults; a ResourceQuota counts them.
_RESOURCES = {"requests": {"cpu": "100m", "memory": "100Mi"}, "limits": {"cpu": "1", "memory": "1Gi"}}
_VOLUME, _SOURCE, _SERVER = "kserve-provision-location", "kserve-pvc-source", "kserve-container"


def add(admit: Admit) -> Object | None:
    pod = admit.object
    uri = annotations_of(pod).get(STORAGE_URI) if pod else None
    if pod is None or not uri or admit.operation != "CREATE":
        return pod
    spec = pod["spec"]
    if any(container["name"] == NAME for container in spec.get("initContainers") or ()):
        return pod
    mounts: list[Object]
    mounts, volumes = [{"name": _VOLUME, "mountPath": MODELS}], [{"name": _VOLUME, "emptyDir": {}}]
    source = uri
    if uri.startswith("pvc://"):
        claim, _, path = uri.removeprefix("pvc://").partition("/")
        source = f"{CLAIM}/{path}"
        mounts.append({"name": _SOURCE, "mountPath": CLAIM, "readOnly": True})
        volumes.append({"name": _SOURCE, "persistentVolumeClaim": {"claimName": claim, "readOnly": True}})
    init: Object = {
        "name": NAME,
        "image": IMAGE,
        "args": [source, MODELS],
        "volumeMounts": mounts,
        "resources": _RESOURCES,
    }
    spec["initContainers"] = [*(spec.get("initContainers") or ()), init]
    spec["volumes"] = [*(spec.get("volumes") or ()), *volumes]
    for container in spec["containers"]:
        if container["name"] == _SERVER:
            mount = {"name": _VOLUME, "mountPath": MODELS, "readOnly": True}
            container["volumeMounts"] = [*(container.get("volumeMounts") or ()), mount]
    return pod
