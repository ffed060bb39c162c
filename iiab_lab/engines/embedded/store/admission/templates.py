"""What a workload's Pod template says of restarts → or 422: a Job's containers end, a Deployment's go on.

In the words of Kubernetes' own validation (pkg/apis/batch and pkg/apis/apps).
"""

from __future__ import annotations

from .....errors import ApiError
from ...objects.meta import Object
from ..structural import invalid
from . import Admit

_FIELD = "spec.template.spec.restartPolicy"


def ends(admit: Admit) -> Object | None:
    """The API's default, Always, is as wrong for a Job as when it is said."""
    if admit.object and _policy(admit.object) == "Always":
        raise _refused(admit.object, admit, 'Required value: valid values: "OnFailure", "Never"')
    return admit.object


def goes_on(admit: Admit) -> Object | None:
    if admit.object and (policy := _policy(admit.object)) != "Always":
        raise _refused(admit.object, admit, f'Unsupported value: "{policy}": supported values: "Always"')
    return admit.object


def _policy(workload: Object) -> str:
    template = (workload.get("spec") or {}).get("template") or {}
    return str((template.get("spec") or {}).get("restartPolicy", "Always"))


def _refused(workload: Object, admit: Admit, why: str) -> ApiError:
    return invalid(admit.kind.kind, admit.kind.group, workload["metadata"]["name"], [(_FIELD, why)])
