"""What Kubernetes itself fills in at a write: a Namespace's name label, a Secret's stringData, a Service's targetPort, a first
status."""

from __future__ import annotations

import base64
from typing import Any

from ...objects.meta import Object
from ...objects.names import CONTENTS
from . import Admit, Plugin


def status(**first: Any) -> Plugin:
    """What the status of a new object says until somebody knows more: clients rely on its being there."""

    def begin(admit: Admit) -> Object | None:
        obj = admit.object
        return obj if obj is None or admit.operation != "CREATE" else obj | {"status": dict(first)}

    return begin


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
    plain = obj["stringData"] or {}
    encoded = {name: base64.b64encode(value.encode()).decode() for name, value in plain.items()}
    kept = {name: value for name, value in obj.items() if name != "stringData"}
    return kept | {"data": {**(obj.get("data") or {}), **encoded}}


def service(admit: Admit) -> Object | None:
    obj = admit.object
    spec = (obj or {}).get("spec") or {}
    for port in spec.get("ports") or ():
        port.setdefault("targetPort", port["port"])
    address = ((admit.old or {}).get("spec") or {}).get("clusterIP")
    if address and spec and spec.get("type") != "ExternalName":
        spec.setdefault("clusterIP", address)  # an update may leave it out
    return obj


def pod(admit: Admit) -> Object | None:
    """`serviceAccount` is the field's older name: it counts where the new one is not given."""
    obj = admit.object
    if obj is not None and admit.operation == "CREATE":
        obj["spec"].setdefault("serviceAccountName", obj["spec"].get("serviceAccount") or "default")
    return obj
