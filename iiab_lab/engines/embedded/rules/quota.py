"""A namespace's objects and a ResourceQuota → what is used of it, and whether one more write fits.

Counts (`pods`, `count/jobs.batch`), compute (`requests.cpu`, `limits.memory`) and storage; the scopes BestEffort,
NotBestEffort, Terminating, NotTerminating. Source: Kubernetes' quota evaluators and their messages.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal

from ..objects import quantities
from ..objects.kinds import POD, VOLUME_CLAIM, Kind
from ..objects.meta import Object
from ..objects.pods import containers_of

Usage = dict[str, Decimal]
# (name in a quota, the container's list, the resource in it)
_COMPUTE = {
    "cpu": ("requests", "cpu"),
    "memory": ("requests", "memory"),
    "requests.cpu": ("requests", "cpu"),
    "requests.memory": ("requests", "memory"),
    "limits.cpu": ("limits", "cpu"),
    "limits.memory": ("limits", "memory"),
}
# Kinds that a quota may also count by their bare name.
_BARE = frozenset(["pods", "services", "configmaps", "secrets", "persistentvolumeclaims", "resourcequotas"])


def measured(hard: Iterable[str], kind: Kind) -> list[str]:
    """Which of a quota's resources the objects of a kind use."""
    names = {f"count/{kind.resource}"} | ({kind.resource} & _BARE)
    if kind == POD:
        names |= set(_COMPUTE)
    if kind == VOLUME_CLAIM:
        names.add("requests.storage")
    if kind.resource == "services":
        names |= {"services.loadbalancers", "services.nodeports"}
    return [name for name in hard if name in names]


def usage(obj: Object, kind: Kind, names: Iterable[str]) -> Usage:
    """What one object uses of these resources."""
    return {name: _amount(obj, kind, name) for name in names}


def counts(obj: Object, kind: Kind, scopes: Iterable[str]) -> bool:
    """Whether the quota counts this object: Pods that have ended are free, and scopes choose among the others."""
    if kind != POD:
        return not list(scopes)
    if (obj.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
        return False
    return all(_SCOPES[scope](obj) for scope in scopes if scope in _SCOPES)


def total(objects: Iterable[tuple[Kind, Object]], hard: Object, scopes: list[str]) -> Usage:
    used: Usage = {name: Decimal(0) for name in hard}
    for kind, obj in objects:
        if counts(obj, kind, scopes):
            for name, amount in usage(obj, kind, measured(hard, kind)).items():
                used[name] += amount
    return used


def exceeded(quota: Object, used: Usage, wanted: Usage) -> str:
    """Kubernetes' sentence, or "" where it fits."""
    hard = quota["spec"].get("hard") or {}
    over = sorted(n for n, amount in wanted.items() if amount > 0 and used[n] + amount > quantities.parse(hard[n]))
    if not over:
        return ""
    parts = (
        ("requested", wanted),
        ("used", used),
        ("limited", {name: quantities.parse(hard[name]) for name in over}),
    )
    said = [f"{what}: {','.join(f'{n}={quantities.text(of[n], hard[n])}' for n in over)}" for what, of in parts]
    return f"exceeded quota: {quota['metadata']['name']}, {', '.join(said)}"


def unspecified(pod: Object, names: Iterable[str]) -> str:
    """Which containers leave out what a quota needs to count: "" or `limits.cpu for: a,b; …`."""
    missing = []
    for name in sorted(set(names) & set(_COMPUTE)):
        who = [c["name"] for c in containers_of(pod) if not _of(c, name)]
        missing += [f"{name} for: {','.join(who)}"] if who else []
    return "; ".join(missing)


def _amount(obj: Object, kind: Kind, name: str) -> Decimal:
    if name in _COMPUTE and kind == POD:
        return _pod(obj, name)
    if name == "requests.storage":
        requests = (obj["spec"].get("resources") or {}).get("requests") or {}
        return quantities.parse(requests.get("storage", 0))
    if name == "services.loadbalancers":
        return Decimal((obj.get("spec") or {}).get("type") == "LoadBalancer")
    if name == "services.nodeports":
        wide = (obj.get("spec") or {}).get("type") in ("NodePort", "LoadBalancer")
        return Decimal(len(obj["spec"].get("ports") or ()) if wide else 0)
    return Decimal(1)


def _pod(pod: Object, name: str) -> Decimal:
    """The containers together, or the largest init container, whichever is more."""
    together = sum((_quantity(c, name) for c in pod["spec"]["containers"]), Decimal(0))
    largest = max((_quantity(c, name) for c in pod["spec"].get("initContainers") or ()), default=Decimal(0))
    return max(together, largest)


def _of(container: Object, name: str) -> object:
    """A request that is not given is the limit."""
    which, resource = _COMPUTE[name]
    held = container.get("resources") or {}
    return (held.get(which) or {}).get(resource) or (held.get("limits") or {}).get(resource)


def _quantity(container: Object, name: str) -> Decimal:
    return quantities.parse(_of(container, name) or 0)


def _best_effort(pod: Object) -> bool:
    return not any(
        (c.get("resources") or {}).get(which) for c in containers_of(pod) for which in ("limits", "requests")
    )


_SCOPES: dict[str, Callable[[Object], bool]] = {
    "BestEffort": _best_effort,
    "NotBestEffort": lambda pod: not _best_effort(pod),
    "Terminating": lambda pod: pod["spec"].get("activeDeadlineSeconds") is not None,
    "NotTerminating": lambda pod: pod["spec"].get("activeDeadlineSeconds") is None,
}
