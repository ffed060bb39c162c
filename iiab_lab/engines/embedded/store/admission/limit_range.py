"""LimitRanges of a namespace → requests and limits of its new Pods: filled in first, held against the bounds last."""

from __future__ import annotations

from .....errors import ApiError
from ...objects.kinds import LIMIT_RANGE
from ...objects.meta import Object
from ...rules import limits
from . import Admit


def complete(admit: Admit) -> Object | None:
    """For a LimitRange itself."""
    obj = admit.object
    if obj is not None:
        obj["spec"]["limits"] = [limits.completed(item) for item in obj["spec"].get("limits") or ()]
    return obj


def fill(admit: Admit) -> Object | None:
    pod = admit.object
    if pod is not None and admit.operation == "CREATE":
        for items in _items(admit, pod):
            limits.fill(pod, items)
    return pod


def enforce(admit: Admit) -> Object | None:
    obj = admit.object
    if obj is None or admit.operation != "CREATE":
        return obj
    wrong = [said for items in _items(admit, obj) for said in limits.violations(obj, admit.kind.kind, items)]
    if wrong:
        text = wrong[0] if len(wrong) == 1 else f"[{', '.join(wrong)}]"
        message = f'{admit.kind.resource} "{obj["metadata"]["name"]}" is forbidden: {text}'
        raise ApiError(403, "Forbidden", message, "see: iiab kubectl describe limitrange")
    return obj


def _items(admit: Admit, obj: Object) -> list[list[Object]]:
    ranges = admit.reader.read_all(LIMIT_RANGE, obj["metadata"]["namespace"])
    return [found["spec"].get("limits") or [] for found in ranges]
