"""Namespaces that the platform cannot be without → never deleted."""

from __future__ import annotations

from .....errors import ApiError
from ...objects.meta import Object
from . import Admit

_IMMORTAL = ("default", "kube-system")


def immortal(admit: Admit) -> Object | None:
    name = (admit.old or {}).get("metadata", {}).get("name", "")
    if admit.operation == "DELETE" and name in _IMMORTAL:
        message = f'namespaces "{name}" is forbidden: this namespace may not be deleted'
        raise ApiError(403, "Forbidden", message, "to begin anew: iiab reset")
    return admit.object
