"""Our own schemas of upstream's kinds → the CustomResourceDefinitions that `kubectl get crd` lists.

On a cluster their charts install them. Here they describe what is served; nobody can change them.
"""

from __future__ import annotations

from typing import Any

from ..objects.kinds import CRD
from ..objects.meta import Object
from .registry import NATIVE, definitions

_LABELS = {"app.kubernetes.io/managed-by": "iiab"}


def served() -> list[Object]:
    made = []
    for definition in definitions():
        spec = definition["spec"]
        if spec["group"] not in NATIVE:
            meta = {"name": f"{spec['names']['plural']}.{spec['group']}", "labels": _LABELS}
            made.append({"apiVersion": CRD.api_version, "kind": CRD.kind, "metadata": meta, "spec": _public(spec)})
    return made


def _public(value: Any) -> Any:
    """Without what is our own dialect."""
    if isinstance(value, list):
        return [_public(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        name: _public(child) for name, child in value.items() if not name.startswith(("x-iiab-", "x-kubernetes-patch-"))
    }
