"""The registry → what a client asks first: groups, versions, resources, plain and aggregated."""

from __future__ import annotations

from collections.abc import Iterable

from ..objects.meta import Object
from ..store.registry import Registry, Resource
from .subresources import VirtualKind

_VERBS = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]
AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
# What is not of the kind it belongs to: (group, version, kind) and verbs.
_OTHERS = {
    "scale": ("autoscaling", "v1", "Scale", ["get", "patch", "update"]),
    "token": ("authentication.k8s.io", "v1", "TokenRequest", ["create"]),
    "eviction": ("policy", "v1", "Eviction", ["create"]),
    "log": ("", "v1", "Pod", ["get"]),
    "portforward": ("", "v1", "PodPortForwardOptions", ["create", "get"]),
}


class Discovery:
    def __init__(self, registry: Registry, virtual: Iterable[VirtualKind]) -> None:
        self._registry, self._virtual = registry, tuple(virtual)

    def groups(self) -> list[tuple[str, list[str]]]:
        """(group, versions, preferred first), without the core group."""
        found: dict[str, list[str]] = {}
        for resource in sorted(self._registry, key=lambda r: r.kind != r.stored):
            versions = found.setdefault(resource.kind.group, [])
            if resource.kind.version not in versions:
                versions.append(resource.kind.version)
        for kind in self._virtual:
            if kind.version not in found.setdefault(kind.group, []):
                found[kind.group].append(kind.version)
        found.pop("", None)
        return sorted(found.items())

    def api_groups(self) -> Object:
        listed = [_group(name, versions) for name, versions in self.groups()]
        return {"kind": "APIGroupList", "apiVersion": "v1", "groups": listed}

    def api_group(self, name: str) -> Object | None:
        versions = dict(self.groups()).get(name)
        return {"kind": "APIGroup", "apiVersion": "v1", **_group(name, versions)} if versions else None

    def api_resources(self, group: str, version: str) -> Object | None:
        listed = [entry for resource in of(self._registry, group, version) for entry in _plain(resource)]
        listed += [
            {"name": k.plural, "singularName": "", "namespaced": k.namespaced, "kind": k.kind, "verbs": list(k.verbs)}
            for k in self._virtual
            if (k.group, k.version) == (group, version)
        ]
        if not listed:
            return None
        group_version = f"{group}/{version}" if group else version
        return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": listed}

    def aggregated(self, core: bool) -> Object:
        """APIGroupDiscoveryList, which kubectl asks for first."""
        chosen = [("", ["v1"])] if core else self.groups()
        items = [
            {
                "metadata": {"name": name, "creationTimestamp": None} if name else {"creationTimestamp": None},
                "versions": [
                    {"version": version, "freshness": "Current", "resources": self._aggregated(name, version)}
                    for version in versions
                ],
            }
            for name, versions in chosen
        ]
        return {"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items}

    def _aggregated(self, group: str, version: str) -> list[Object]:
        made = [_nested(resource) for resource in of(self._registry, group, version)]
        return made + [
            {
                "resource": k.plural,
                "responseKind": {"group": k.group, "version": k.version, "kind": k.kind},
                "scope": "Namespaced" if k.namespaced else "Cluster",
                "singularResource": "",
                "verbs": list(k.verbs),
            }
            for k in self._virtual
            if (k.group, k.version) == (group, version)
        ]


def of(registry: Registry, group: str, version: str) -> list[Resource]:
    return sorted(
        (r for r in registry if (r.kind.group, r.kind.version) == (group, version)), key=lambda r: r.kind.plural
    )


def subresources(resource: Resource) -> list[tuple[str, Object, list[str]]]:
    """(name, its kind, verbs) of each."""
    own = {"group": resource.kind.group, "version": resource.kind.version, "kind": resource.kind.kind}
    found = []
    for name in sorted(resource.subresources):
        if name in _OTHERS:
            group, version, kind, verbs = _OTHERS[name]
            found.append((name, {"group": group, "version": version, "kind": kind}, verbs))
        else:
            found.append((name, own, ["get", "patch", "update"]))
    return found


def _group(name: str, versions: list[str]) -> Object:
    listed = [{"groupVersion": f"{name}/{version}", "version": version} for version in versions]
    return {"name": name, "versions": listed, "preferredVersion": listed[0]}


def _names(resource: Resource) -> Object:
    named: Object = {"shortNames": list(resource.short_names)} if resource.short_names else {}
    return named | ({"categories": list(resource.categories)} if resource.categories else {})


def _plain(resource: Resource) -> list[Object]:
    kind = resource.kind
    same = {"namespaced": kind.namespaced}
    own = {"name": kind.plural, "singularName": resource.singular, "kind": kind.kind, "verbs": _VERBS}
    below = [
        {"name": f"{kind.plural}/{name}", "singularName": "", "kind": what["kind"], "verbs": verbs, **same}
        | ({"group": what["group"], "version": what["version"]} if name in _OTHERS else {})
        for name, what, verbs in subresources(resource)
    ]
    return [own | same | _names(resource), *below]


def _nested(resource: Resource) -> Object:
    kind = resource.kind
    made: Object = {
        "resource": kind.plural,
        "responseKind": {"group": kind.group, "version": kind.version, "kind": kind.kind},
        "scope": "Namespaced" if kind.namespaced else "Cluster",
        "singularResource": resource.singular,
        "verbs": _VERBS,
        **_names(resource),
    }
    below = [
        {"subresource": name, "responseKind": what, "verbs": verbs} for name, what, verbs in subresources(resource)
    ]
    return made | ({"subresources": below} if below else {})
