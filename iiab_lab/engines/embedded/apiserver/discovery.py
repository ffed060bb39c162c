"""The registry → what a client asks first: groups, versions, resources (plain and aggregated), OpenAPI v2 and v3."""

from __future__ import annotations

import copy
import hashlib
from typing import Any

import orjson

from ..objects.meta import Object
from ..store.registry import Registry, Resource

_VERBS = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]
AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
_META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
# Kinds that are created and answered, never stored: access reviews.
VIRTUAL = (
    ("authorization.k8s.io", "v1", "SelfSubjectAccessReview", "selfsubjectaccessreviews"),
    ("authorization.k8s.io", "v1", "SelfSubjectRulesReview", "selfsubjectrulesreviews"),
)


def groups(registry: Registry) -> list[tuple[str, list[str]]]:
    """(group, versions, storage version first), without the core group."""
    found: dict[str, list[str]] = {}
    for resource in sorted(registry, key=lambda r: r.kind != r.stored):
        if resource.kind.group and resource.kind.version not in found.setdefault(resource.kind.group, []):
            found[resource.kind.group].append(resource.kind.version)
    for group, version, _, _ in VIRTUAL:
        if version not in found.setdefault(group, []):
            found[group].append(version)
    return sorted(found.items())


def api_groups(registry: Registry) -> Object:
    listed = [_group(name, versions) for name, versions in groups(registry)]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": listed}


def api_group(registry: Registry, name: str) -> Object | None:
    versions = dict(groups(registry)).get(name)
    return {"kind": "APIGroup", "apiVersion": "v1", **_group(name, versions)} if versions else None


def _group(name: str, versions: list[str]) -> Object:
    listed = [{"groupVersion": f"{name}/{version}", "version": version} for version in versions]
    return {"name": name, "versions": listed, "preferredVersion": listed[0]}


def api_resources(registry: Registry, group: str, version: str) -> Object | None:
    listed: list[Object] = []
    for resource in _of(registry, group, version):
        kind = resource.kind
        entry = {
            "name": kind.plural,
            "singularName": resource.singular,
            "namespaced": kind.namespaced,
            "kind": kind.kind,
            "verbs": _VERBS,
        }
        entry |= {"shortNames": list(resource.short_names)} if resource.short_names else {}
        entry |= {"categories": list(resource.categories)} if resource.categories else {}
        listed.append(entry)
        listed += [
            {
                "name": f"{kind.plural}/{sub}",
                "singularName": "",
                "namespaced": kind.namespaced,
                "kind": "Scale" if sub == "scale" else kind.kind,
                "verbs": ["get", "patch", "update"],
                **({"group": "autoscaling", "version": "v1"} if sub == "scale" else {}),
            }
            for sub in sorted(resource.subresources)
        ]
    listed += [
        {"name": plural, "singularName": "", "namespaced": False, "kind": kind, "verbs": ["create"]}
        for g, v, kind, plural in VIRTUAL
        if (g, v) == (group, version)
    ]
    if not listed:
        return None
    group_version = f"{group}/{version}" if group else version
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": listed}


def aggregated(registry: Registry, core: bool) -> Object:
    """APIGroupDiscoveryList, which kubectl asks for first."""
    chosen = [("", ["v1"])] if core else groups(registry)
    items = [
        {
            "metadata": {"name": name, "creationTimestamp": None} if name else {"creationTimestamp": None},
            "versions": [
                {
                    "version": version,
                    "freshness": "Current",
                    "resources": _aggregated_resources(registry, name, version),
                }
                for version in versions
            ],
        }
        for name, versions in chosen
    ]
    return {"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items}


def _aggregated_resources(registry: Registry, group: str, version: str) -> list[Object]:
    made = []
    for resource in _of(registry, group, version):
        kind = resource.kind
        response = {"group": kind.group, "version": kind.version, "kind": kind.kind}
        entry: Object = {
            "resource": kind.plural,
            "responseKind": response,
            "scope": "Namespaced" if kind.namespaced else "Cluster",
            "singularResource": resource.singular,
            "verbs": _VERBS,
        }
        entry |= {"shortNames": list(resource.short_names)} if resource.short_names else {}
        entry |= {"categories": list(resource.categories)} if resource.categories else {}
        subs = [
            {
                "subresource": sub,
                "verbs": ["get", "patch", "update"],
                "responseKind": {"group": "autoscaling", "version": "v1", "kind": "Scale"}
                if sub == "scale"
                else response,
            }
            for sub in sorted(resource.subresources)
        ]
        made.append(entry | ({"subresources": subs} if subs else {}))
    made += [
        {
            "resource": plural,
            "responseKind": {"group": g, "version": v, "kind": kind},
            "scope": "Cluster",
            "singularResource": "",
            "verbs": ["create"],
        }
        for g, v, kind, plural in VIRTUAL
        if (g, v) == (group, version)
    ]
    return made


def openapi_index(registry: Registry) -> Object:
    paths = {}
    for group, version in sorted({(r.kind.group, r.kind.version) for r in registry}):
        path = f"apis/{group}/{version}" if group else f"api/{version}"
        digest = hashlib.sha256(orjson.dumps(openapi_v3(registry, group, version))).hexdigest()[:32].upper()
        paths[path] = {"serverRelativeURL": f"/openapi/v3/{path}?hash={digest}"}
    return {"paths": paths}


def openapi_v3(registry: Registry, group: str, version: str) -> Object:
    """Components named as Kubernetes names them, and the paths that `kubectl explain` and apply look up."""
    schemas: Object = {_META: {"type": "object", "description": "Names, labels, owners: the same for every kind."}}
    paths: Object = {}
    for resource in _of(registry, group, version):
        name = _component(resource)
        schemas[name] = _definition(resource)
        reference = {"content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}}}
        gvk = _gvk(resource)
        operation = {"responses": {"200": {"description": "OK", **reference}}, "x-kubernetes-group-version-kind": gvk}
        # kubectl looks at the PATCH of a kind to learn whether the server validates fields.
        modify = operation | {
            "x-kubernetes-action": "patch",
            "parameters": [
                {"name": "fieldValidation", "in": "query", "schema": {"type": "string"}},
                {"name": "dryRun", "in": "query", "schema": {"type": "string"}},
            ],
        }
        paths[_path(resource)] = {"get": operation | {"x-kubernetes-action": "get"}, "patch": modify}
    return {
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": "v1.34.0"},
        "paths": paths,
        "components": {"schemas": schemas},
    }


def openapi_v2(registry: Registry) -> Object:
    definitions: Object = {_META: {"type": "object"}}
    for resource in registry:
        definitions[_component(resource)] = _definition(resource, "#/definitions/")
    return {
        "swagger": "2.0",
        "info": {"title": "Kubernetes", "version": "v1.34.0"},
        "paths": {},
        "definitions": definitions,
    }


def _definition(resource: Resource, root: str = "#/components/schemas/") -> Object:
    schema = copy.deepcopy(resource.schema)
    properties = schema.setdefault("properties", {})
    schema["properties"] = {
        "apiVersion": {"type": "string"},
        "kind": {"type": "string"},
        "metadata": {"allOf": [{"$ref": root + _META}], "default": {}}
        if "components" in root
        else {"$ref": root + _META},
        **properties,
    }
    _for_kubectl(schema)
    schema["x-kubernetes-group-version-kind"] = [_gvk(resource)]
    return schema


def _for_kubectl(schema: Any) -> None:
    """What is ours alone is dropped; a merge key gets the strategy kubectl looks for beside it."""
    if isinstance(schema, list):
        for item in schema:
            _for_kubectl(item)
    elif isinstance(schema, dict):
        schema.pop("x-iiab-no-effect", None)
        if "x-kubernetes-patch-merge-key" in schema:
            schema["x-kubernetes-patch-strategy"] = "merge"
        for child in schema.values():
            _for_kubectl(child)


def _gvk(resource: Resource) -> Object:
    return {"group": resource.kind.group, "version": resource.kind.version, "kind": resource.kind.kind}


def _component(resource: Resource) -> str:
    group = ".".join(reversed((resource.kind.group or "core.k8s.io").split(".")))
    return f"{group}.{resource.kind.version}.{resource.kind.kind}"


def _path(resource: Resource) -> str:
    kind = resource.kind
    root = f"/apis/{kind.api_version}" if kind.group else f"/api/{kind.version}"
    return f"{root}{'/namespaces/{namespace}' if kind.namespaced else ''}/{kind.plural}/{{name}}"


def _of(registry: Registry, group: str, version: str) -> list[Resource]:
    return sorted(
        (r for r in registry if (r.kind.group, r.kind.version) == (group, version)), key=lambda r: r.kind.plural
    )
