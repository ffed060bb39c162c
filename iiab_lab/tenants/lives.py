"""A tenant's beginning and end: everything from the template, all or nothing; and everything gone, what it left elsewhere too."""

from __future__ import annotations

import contextlib
import copy
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from ..errors import ApiError, NotReady, UsageError
from ..kube import Object, has_condition
from ..target import Target
from ..traffic.management import Management
from . import template
from .template import HARD, LABEL, QUOTA, Sizes
from .transaction import Transaction

_NAMESPACE = "v1", "Namespace"
_QUOTA = "v1", "ResourceQuota"
# Where the identity service puts a tenant's key set once it knows it: (namespace, ConfigMap, entry), `{}` for the tenant.
_KEY_SETS = (
    ("envoy-gateway-system", "identity-jwks-{}", "jwks"),
    ("audit", "identity-jwks", "{}.jwks"),
    ("identity", "identity-jwks", "{}.jwks"),
)
# What the management service makes at the edge has its tenant's name for a label.
_EDGE = "envoy-gateway-system"
_DOORS = (
    ("gateway.networking.k8s.io/v1", "HTTPRoute"),
    ("gateway.envoyproxy.io/v1alpha1", "SecurityPolicy"),
    ("gateway.envoyproxy.io/v1alpha1", "BackendTrafficPolicy"),
)
_MODEL, _JOB = "InferenceService", "Job"
_FIRST = ("ResourceQuota", "LimitRange", "ServiceAccount", "Role", "ConfigMap", "Secret", "PersistentVolumeClaim")
_LOOK = 0.05


class Tenant(NamedTuple):
    """`status` is its Namespace's phase; `created` RFC 3339; each size is USED/MOST of its ResourceQuota, "" without one."""

    name: str
    status: str
    created: str
    cpu: str
    memory: str
    storage: str
    models: str
    published: str


def tenants(target: Target) -> list[Tenant]:
    found = target.kube.list(*_NAMESPACE, selector=LABEL)
    return [_shown(target, one) for one in sorted(found, key=lambda one: str(one["metadata"]["labels"][LABEL]))]


def add_tenant(target: Target, name: str, timeout: float = 60, **sizes: Any) -> str:
    """Everything a tenant needs, or nothing → created, configured or unchanged, once a token for it can be had.

    `sizes` are those of `Sizes`; of a tenant that is there, what is not said stays. Raises UsageError for a bad name or size,
    ApiError for what the API server would not take, NotReady where the identity service does not come round.
    """
    return install(target, name, sizes, [], timeout)


def install(target: Target, name: str, sizes: Mapping[str, Any], more: Sequence[Object], timeout: float) -> str:
    """A tenant as `add_tenant` makes it, and `more` in its namespace, which goes before what the template says of the same."""
    template.require_name(name)
    namespace = _require_free(target, name)
    now = Sizes.of(target.kube.get(*_QUOTA, QUOTA, name) if namespace else None).changed(sizes)
    first, *others = template.objects(name, now)
    named = {_named(obj) for obj in more}
    rest = [*(obj for obj in others if _named(obj) not in named), *sorted(more, key=_rank)]
    models = [obj for obj in rest if obj["kind"] == _MODEL]
    with Transaction(target.kube) as write, _whole(target, name, namespace is None):
        if namespace is None:  # a tenant to nobody, until it is whole
            write.apply(_without_label(first))
        write.try_all(rest)
        results = [write.apply(obj) for obj in rest if obj["kind"] != _MODEL]
        results.append(write.apply(first))
        _await_keys(target, name, timeout)
        _await_jobs(target, [obj for obj in rest if obj["kind"] == _JOB], timeout)
        results += [write.apply(obj) for obj in models]
    return "created" if namespace is None else "unchanged" if {*results} == {"unchanged"} else "configured"


def remove_tenant(target: Target, name: str, timeout: float = 60) -> bool:
    """A tenant's models, doors, volumes, keys and whatever else there is of it → False where there was nothing.

    Returns when it is gone. Broken off, it goes on where it was when it is called again. What was measured of it and who did
    what stays, in Prometheus and in the audit stream, as long as those keep anything.
    """
    template.require_name(name)
    namespace, deadline = _require_free(target, name), time.monotonic() + timeout
    if namespace is not None:
        _withdraw(target, name)
        target.kube.delete(*_NAMESPACE, name)
        _await_gone(lambda: target.kube.get(*_NAMESPACE, name), f"The namespace {name}", deadline)
    _await_gone(lambda: _key_sets(target, name), f"The key set of {name}", deadline)
    left = _elsewhere(target, name)
    for api_version, kind, own, space in left:
        target.kube.delete(api_version, kind, own, space)
    return namespace is not None or bool(left)


def _withdraw(target: Target, name: str) -> None:
    """Doors at the edge are the management service's, so it shuts them. Raises TrafficError where it does not answer."""
    try:
        Management(target).call("DELETE", f"/api/admin/tenants/{name}")
    except ApiError as error:
        if error.code != 404:  # a tenant that was never whole
            raise


def _elsewhere(target: Target, name: str) -> list[tuple[str, str, str, str]]:
    """What is a tenant's and not in its namespace: (apiVersion, kind, name, namespace), the latest first."""
    kube = target.kube
    made = [_named(obj) for obj in template.objects(name, Sizes()) if obj["metadata"].get("namespace", name) != name]
    doors = [
        (api_version, kind, one["metadata"]["name"], _EDGE)
        for api_version, kind in _DOORS
        for one in kube.list(api_version, kind, _EDGE, f"tenant={name}")
    ]
    return [*doors, *(one for one in reversed(made) if kube.get(*one) is not None)]


def _require_free(target: Target, name: str) -> Object | None:
    """The tenant's Namespace, None where there is none; raises UsageError where it is somebody else's, or on its way out."""
    namespace = target.kube.get(*_NAMESPACE, name)
    if namespace is None:
        return None
    labels = namespace["metadata"].get("labels") or {}
    if labels.get(LABEL) != name:
        raise UsageError(f"The namespace {name} is no tenant's.", "choose another name; see: iiab tenant list")
    return namespace


@contextlib.contextmanager
def _whole(target: Target, name: str, fresh: bool) -> Any:
    """A Namespace that could not become a tenant is gone before anybody is told so."""
    try:
        yield
    except BaseException:
        if fresh:
            target.kube.delete(*_NAMESPACE, name)
            _await_gone(lambda: target.kube.get(*_NAMESPACE, name), f"The namespace {name}", time.monotonic() + 30)
        raise


def require_tenant(target: Target, name: str) -> Object:
    """Its Namespace; raises UsageError where there is no such tenant."""
    found = _require_free(target, name)
    if found is None:
        raise UsageError(f"There is no tenant {name}.", "see: iiab tenant list")
    return found


def _rank(obj: Object) -> int:
    """What others need comes first."""
    return _FIRST.index(obj["kind"]) if obj["kind"] in _FIRST else len(_FIRST)


def _await_jobs(target: Target, jobs: Sequence[Object], timeout: float) -> None:
    """A model server that starts before its model is trained fails, and tries again much later."""
    for job in jobs:
        where = (job["apiVersion"], _JOB, job["metadata"]["namespace"], job["metadata"]["name"])
        target.kube.wait(where, has_condition("Complete"), what="complete", timeout=timeout)


def _without_label(namespace: Object) -> Object:
    made = copy.deepcopy(namespace)
    del made["metadata"]["labels"][LABEL]
    return made


def _await_keys(target: Target, name: str, timeout: float) -> None:
    for namespace, config_map, entry in _KEY_SETS:
        key = entry.format(name)
        where = ("v1", "ConfigMap", namespace, config_map.format(name))
        target.kube.wait(
            where,
            lambda found, key=key: key in (found.get("data") or {}),  # type: ignore[misc]
            what=f"given the key set of {name}",
            timeout=timeout,
            cure="look at: iiab kubectl get pods -n identity",
        )


def _key_sets(target: Target, name: str) -> list[str]:
    """Where a tenant's key set still is."""
    found = []
    for namespace, config_map, entry in _KEY_SETS:
        held = target.kube.get("v1", "ConfigMap", config_map.format(name), namespace) or {}
        found += [namespace] if entry.format(name) in (held.get("data") or {}) else []
    return found


def _await_gone(left: Callable[[], Any], what: str, deadline: float) -> None:
    while left():
        if time.monotonic() > deadline:
            raise NotReady(f"{what} is not gone yet.", "call it again; look at: iiab kubectl get namespaces")
        time.sleep(_LOOK)


def _shown(target: Target, namespace: Object) -> Tenant:
    meta = namespace["metadata"]
    quota = target.kube.get(*_QUOTA, QUOTA, meta["name"]) or {}
    hard, used = (quota.get("spec") or {}).get("hard") or {}, (quota.get("status") or {}).get("used") or {}
    sizes = {name: f"{used.get(key, '0')}/{hard[key]}" if key in hard else "" for name, key in HARD.items()}
    phase = (namespace.get("status") or {}).get("phase", "")
    return Tenant(meta["labels"][LABEL], phase, meta.get("creationTimestamp", ""), **sizes)


def _named(obj: Object) -> tuple[str, str, str, str]:
    meta = obj["metadata"]
    return obj["apiVersion"], obj["kind"], meta["name"], meta.get("namespace", "")
