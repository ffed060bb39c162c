"""The registry → OpenAPI v3, a document per group and version, and v2: for `kubectl explain`, validation and generators.

Names of components and of paths are Kubernetes' own. A kind's description says what this engine serves of it.
"""

from __future__ import annotations

import copy
import hashlib
from typing import Any

import orjson

from ..objects.meta import Object
from ..store.fields.paths import METADATA
from ..store.registry import Registry, Resource
from .discovery import of, subresources

_META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
_INFO = {"title": "Kubernetes", "version": "v1.34.0"}
_IDLE = "Accepted, and has no effect on the embedded engine."
_WRITE = ("dryRun", "fieldManager", "fieldValidation")
_LIST = ("continue", "fieldSelector", "labelSelector", "limit", "resourceVersion", "resourceVersionMatch")
_TYPES = {"limit": "integer", "force": "boolean", "gracePeriodSeconds": "integer"}
_PATCHES = ("json-patch+json", "merge-patch+json", "apply-patch+yaml")
_TIME = {"type": "string", "format": "date-time"}


def index(registry: Registry) -> Object:
    paths = {}
    for group, version in sorted({(r.kind.group, r.kind.version) for r in registry}):
        path = f"apis/{group}/{version}" if group else f"api/{version}"
        digest = hashlib.sha256(orjson.dumps(v3(registry, group, version))).hexdigest()[:32].upper()
        paths[path] = {"serverRelativeURL": f"/openapi/v3/{path}?hash={digest}"}
    return {"paths": paths}


def v3(registry: Registry, group: str, version: str) -> Object | None:
    served = of(registry, group, version)
    if not served:
        return None
    root = "#/components/schemas/"
    schemas: Object = {_META: _metadata()} | {_component(resource): _definition(resource, root) for resource in served}
    paths: Object = {}
    for resource in served:
        paths |= _paths(resource)
    return {"openapi": "3.0.0", "info": _INFO, "paths": paths, "components": {"schemas": schemas}}


def v2(registry: Registry) -> Object:
    definitions: Object = {_META: _metadata()}
    definitions |= {_component(resource): _definition(resource, "#/definitions/") for resource in registry}
    return {"swagger": "2.0", "info": _INFO, "paths": {}, "definitions": definitions}


def _metadata() -> Object:
    names = ("name", "generateName", "namespace", "uid", "resourceVersion")
    return {
        "type": "object",
        "description": "Identity, labels, annotations, owners and finalizers: the same for every kind.",
        "properties": {name: {"type": "string"} for name in names}
        | {"generation": {"type": "integer", "format": "int64"}, "creationTimestamp": _TIME, "deletionTimestamp": _TIME}
        | {"deletionGracePeriodSeconds": {"type": "integer", "format": "int64"}}
        | METADATA["properties"]
        | {"managedFields": {"type": "array", "items": {"type": "object"}}},
    }


def _definition(resource: Resource, root: str) -> Object:
    schema = _for_clients(copy.deepcopy(resource.schema))
    own = f"{resource.kind.kind} in {resource.kind.api_version}: the fields that the embedded engine serves."
    schema["description"] = schema.get("description") or own
    reference = {"$ref": root + _META}
    schema["properties"] = {
        "apiVersion": {"type": "string", "description": "Group and version of the schema of this object."},
        "kind": {"type": "string", "description": "The REST resource this object represents."},
        "metadata": {"allOf": [reference], "default": {}} if "components" in root else reference,
        **(schema.get("properties") or {}),
    }
    schema["x-kubernetes-group-version-kind"] = [_gvk(resource)]
    return schema


def _for_clients(schema: Any) -> Any:
    """What is ours alone becomes a description; a merge key gets the strategy kubectl looks for beside it."""
    if isinstance(schema, list):
        return [_for_clients(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    made = {name: _for_clients(child) for name, child in schema.items() if name != "x-iiab-no-effect"}
    if schema.get("x-iiab-no-effect") is True:
        made.setdefault("description", _IDLE)
    if "x-kubernetes-patch-merge-key" in schema:
        made["x-kubernetes-patch-strategy"] = "merge"
    return made


def _paths(resource: Resource) -> Object:
    kind = resource.kind
    root = f"/apis/{kind.api_version}" if kind.group else f"/api/{kind.version}"
    inside = f"{root}/namespaces/{{namespace}}/{kind.plural}" if kind.namespaced else f"{root}/{kind.plural}"
    above = ("namespace",) if kind.namespaced else ()
    named = (*above, "name")
    body = _component(resource)
    patch = _operation(resource, "patch", (*_WRITE, "force"), body, *_patches(resource))
    put = _operation(resource, "put", _WRITE, body, "json")
    remove = ("dryRun", "gracePeriodSeconds", "propagationPolicy")
    collection: Object = {
        "get": _operation(resource, "list", _LIST),
        "post": _operation(resource, "post", _WRITE, body, "json"),
        "delete": _operation(resource, "deletecollection", (*remove, "fieldSelector", "labelSelector")),
    }
    one = {
        "get": _operation(resource, "get", ("resourceVersion",)),
        "put": put,
        "patch": patch,
        "delete": _operation(resource, "delete", remove),
    }
    paths = {inside: collection | _parameters(above), f"{inside}/{{name}}": one | _parameters(named)}
    if kind.namespaced:
        paths[f"{root}/{kind.plural}"] = {"get": _operation(resource, "list", _LIST)}
    if any(name == "status" for name, _, _ in subresources(resource)):
        status = {"get": _operation(resource, "get", ()), "put": put, "patch": patch}
        paths[f"{inside}/{{name}}/status"] = status | _parameters(named)
    return paths


def _patches(resource: Resource) -> tuple[str, ...]:
    return (*_PATCHES, "strategic-merge-patch+json") if resource.native else _PATCHES


def _operation(resource: Resource, action: str, query: tuple[str, ...], body: str = "", *types: str) -> Object:
    made: Object = {
        "responses": {"200": {"description": "OK", "content": _content(_component(resource), "json")}},
        "x-kubernetes-action": action,
        "x-kubernetes-group-version-kind": _gvk(resource),
        "parameters": [{"name": name, "in": "query", "schema": {"type": _TYPES.get(name, "string")}} for name in query],
    }
    if action == "post":
        made["responses"] = {"201": {"description": "Created", "content": _content(body, "json")}}
    return made | ({"requestBody": {"content": _content(body, *types)}} if body else {})


def _content(component: str, *types: str) -> Object:
    """A patch is an object of its own, of which only what it changes is required."""
    whole = {"schema": {"$ref": f"#/components/schemas/{component}"}}
    listed = {"schema": {"type": "array", "items": {"type": "object"}}}
    part = {"json": whole, "json-patch+json": listed}
    return {f"application/{kind}": part.get(kind, {"schema": {"type": "object"}}) for kind in types}


def _parameters(names: tuple[str, ...]) -> Object:
    return {"parameters": [{"name": n, "in": "path", "required": True, "schema": {"type": "string"}} for n in names]}


def _gvk(resource: Resource) -> Object:
    return {"group": resource.kind.group, "version": resource.kind.version, "kind": resource.kind.kind}


def _component(resource: Resource) -> str:
    group = ".".join(reversed((resource.kind.group or "core.k8s.io").split(".")))
    return f"{group}.{resource.kind.version}.{resource.kind.kind}"
