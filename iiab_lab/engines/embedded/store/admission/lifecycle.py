"""A Namespace's deletion: Terminating from that moment on; never of those that the platform cannot be without."""

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


def terminating(admit: Admit) -> Object | None:
    if admit.operation == "DELETE" and admit.old is not None:
        admit.old["status"] = {**(admit.old.get("status") or {}), "phase": "Terminating"}
    return admit.object
