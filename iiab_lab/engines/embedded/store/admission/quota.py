"""A write that would take a namespace past a ResourceQuota → 403, in Kubernetes' words.

What is used is counted anew from the objects themselves, those on their way to disk included: no two writes fit into one gap.
"""

from __future__ import annotations

from .....errors import ApiError
from ...objects.kinds import POD, RESOURCE_QUOTA
from ...objects.meta import Object
from ...rules import quota as rules
from . import Admit


def enforce(admit: Admit) -> Object | None:
    obj, kind = admit.object, admit.kind
    if obj is None or admit.subresource or not kind.namespaced:
        return obj
    for quota in admit.reader.read_all(RESOURCE_QUOTA, obj["metadata"]["namespace"]):
        _require(admit, obj, quota)
    return obj


def _require(admit: Admit, obj: Object, quota: Object) -> None:
    kind, spec = admit.kind, quota.get("spec") or {}
    hard, scopes = spec.get("hard") or {}, spec.get("scopes") or []
    names = rules.measured(hard, kind)
    if not names or not rules.counts(obj, kind, scopes):
        return
    name, quota_name = obj["metadata"]["name"], quota["metadata"]["name"]
    missing = rules.unspecified(obj, names) if kind == POD and admit.operation == "CREATE" else ""
    if missing:
        raise _forbidden(kind.resource, name, f"failed quota: {quota_name}: must specify {missing}")
    more = rules.usage(obj, kind, names)
    if admit.old is not None and rules.counts(admit.old, kind, scopes):
        before = rules.usage(admit.old, kind, names)
        more = {n: amount - before[n] for n, amount in more.items()}
    if all(amount <= 0 for amount in more.values()):
        return
    others = admit.reader.read_all(kind, obj["metadata"]["namespace"])
    used = rules.total(((kind, other) for other in others), {n: hard[n] for n in names}, scopes)
    if said := rules.exceeded(quota, used, more):
        raise _forbidden(kind.resource, name, said)


def _forbidden(resource: str, name: str, said: str) -> ApiError:
    return ApiError(403, "Forbidden", f'{resource} "{name}" is forbidden: {said}', "see: iiab kubectl describe quota")
