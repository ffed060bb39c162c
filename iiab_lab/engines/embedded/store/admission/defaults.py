"""What Kubernetes itself fills in at a write: a Namespace's name label, a Secret's stringData, a Service's targetPort."""

from __future__ import annotations

import base64

from ...objects.meta import Object
from ...objects.names import CONTENTS
from . import Admit


def namespace(admit: Admit) -> Object | None:
    obj = admit.object
    if obj is None:
        return None
    meta = obj["metadata"]
    meta["labels"] = {**(meta.get("labels") or {}), "kubernetes.io/metadata.name": meta["name"]}
    if admit.operation == "CREATE":
        meta["finalizers"] = [*(meta.get("finalizers") or []), CONTENTS]
    return obj


def secret(admit: Admit) -> Object | None:
    """Kubernetes answers with data only, and so does everyone who reads it back."""
    obj = admit.object
    if obj is None or "stringData" not in obj:
        return obj
    plain = obj.pop("stringData") or {}
    encoded = {name: base64.b64encode(value.encode()).decode() for name, value in plain.items()}
    return obj | {"data": {**(obj.get("data") or {}), **encoded}}


def service(admit: Admit) -> Object | None:
    obj = admit.object
    for port in ((obj or {}).get("spec") or {}).get("ports") or ():
        port.setdefault("targetPort", port["port"])
    return obj


def pod(admit: Admit) -> Object | None:
    obj = admit.object
    if obj is not None and admit.operation == "CREATE":
        obj["spec"].setdefault("serviceAccountName", "default")
    return obj
