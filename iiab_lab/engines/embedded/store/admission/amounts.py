"""Every amount of a ResourceQuota, a LimitRange or a Pod is a quantity, and no Pod requests more than its limit → or 422."""

from __future__ import annotations

import json
from collections.abc import Iterator

from ...objects import quantities
from ...objects.meta import Object
from ..structural import invalid
from . import Admit

Cause = tuple[str, str]
_BOUNDS = ("max", "min", "default", "defaultRequest", "maxLimitRequestRatio")
# (what must be less, than what, the field that is to blame)
_ORDER = (
    ("min", "max", "min"),
    ("min", "defaultRequest", "defaultRequest"),
    ("min", "default", "default"),
    ("defaultRequest", "max", "defaultRequest"),
    ("defaultRequest", "default", "defaultRequest"),
    ("default", "max", "default"),
)
_COUNTED = {
    *("pods", "services", "services.loadbalancers", "services.nodeports", "replicationcontrollers", "resourcequotas"),
    *("configmaps", "secrets", "persistentvolumeclaims"),
}
_OF_PODS = {
    *("cpu", "memory", "ephemeral-storage"),
    *(f"{which}.{what}" for which in ("requests", "limits") for what in ("cpu", "memory", "ephemeral-storage")),
}
_COMPUTED = {*_OF_PODS, "requests.storage"}
_CONTRARY = ({"BestEffort", "NotBestEffort"}, {"Terminating", "NotTerminating"})
_SAID = {"defaultRequest": "default request"}


def quota(admit: Admit) -> Object | None:
    obj = admit.object
    if obj is not None:
        spec = obj.get("spec") or {}
        hard = spec.get("hard") or {}
        _require(admit, list(_wrong(hard, "spec.hard")))
        _require(
            admit, [*_no_resource(hard), *_no_scopes(spec.get("scopes") or [], hard), *_other_scopes(spec, admit.old)]
        )
    return obj


def limit_range(admit: Admit) -> Object | None:
    obj = admit.object
    if obj is not None:
        for index, item in enumerate(obj["spec"]["limits"]):
            path = f"spec.limits[{index}]"
            _require(admit, [cause for name in _BOUNDS for cause in _wrong(item.get(name), f"{path}.{name}")])
            _require(admit, [*_of_others(item, path), *_crossed(item, path)])
    return obj


def pod(admit: Admit) -> Object | None:
    obj = admit.object
    if obj is None or admit.operation != "CREATE":
        return obj
    for index, container in enumerate(obj["spec"]["containers"]):
        held, path = container.get("resources") or {}, f"spec.containers[{index}].resources"
        _require(admit, [c for which in ("limits", "requests") for c in _wrong(held.get(which), f"{path}.{which}")])
        _require(admit, list(_above(held, path)))
    return obj


def _wrong(amounts: Object | None, path: str) -> Iterator[Cause]:
    for name, value in (amounts or {}).items():
        try:
            if quantities.parse(value) < 0:
                yield f"{path}[{name}]", f'Invalid value: "{value}": must be greater than or equal to 0'
        except ValueError as error:
            yield f"{path}[{name}]", f"Invalid value: {error}"


def _no_resource(hard: Object) -> Iterator[Cause]:
    for name, value in hard.items():
        if "/" not in name and name not in _COMPUTED | _COUNTED:
            yield f"spec.hard[{name}]", f'Invalid value: "{name}": must be a standard resource for quota'
        elif name in _COUNTED and quantities.parse(value) % 1:
            yield f"spec.hard[{name}]", f'Invalid value: "{value}": must be an integer'


def _no_scopes(scopes: list[str], hard: Object) -> Iterator[Cause]:
    said = f"Invalid value: {json.dumps(scopes)}: "
    for scope in scopes:
        fit = {"pods"} | (set() if scope == "BestEffort" else _OF_PODS)
        if any(name in _COMPUTED | _COUNTED and name not in fit for name in hard):
            yield "spec.scopes", said + "unsupported scope applied to resource"
    if any(pair <= set(scopes) for pair in _CONTRARY):
        yield "spec.scopes", said + "conflicting scopes"


def _other_scopes(spec: Object, old: Object | None) -> Iterator[Cause]:
    if old is not None and (scopes := spec.get("scopes") or []) != ((old.get("spec") or {}).get("scopes") or []):
        yield "spec.scopes", f"Invalid value: {json.dumps(scopes)}: field is immutable"


def _of_others(item: Object, path: str) -> Iterator[Cause]:
    """What only containers have."""
    for name in ("default", "defaultRequest"):
        if item["type"] == "Pod" and item.get(name):
            yield f"{path}.{name}", "Forbidden: may not be specified when `type` is 'Pod'"


def _crossed(item: Object, path: str) -> Iterator[Cause]:
    for less, more, field in _ORDER:
        low, high = item.get(less) or {}, item.get(more) or {}
        for name in sorted(low.keys() & high.keys()):
            if quantities.parse(low[name]) > quantities.parse(high[name]):
                said = f"{_SAID.get(less, less)} value {low[name]} is greater than {_SAID.get(more, more)} value {high[name]}"
                yield f"{path}.{field}[{name}]", f'Invalid value: "{item[field][name]}": {said}'


def _above(held: Object, path: str) -> Iterator[Cause]:
    most = held.get("limits") or {}
    for name, value in (held.get("requests") or {}).items():
        if name in most and quantities.parse(value) > quantities.parse(most[name]):
            limit = f"must be less than or equal to {name} limit of {most[name]}"
            yield f"{path}.requests", f'Invalid value: "{value}": {limit}'


def _require(admit: Admit, causes: list[Cause]) -> None:
    if causes:
        name = (admit.object or {})["metadata"]["name"]
        raise invalid(admit.kind.kind, admit.kind.group, name, causes)
