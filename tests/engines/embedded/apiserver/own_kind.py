"""A CustomResourceDefinition of a test's own, and its objects."""

from __future__ import annotations

import copy
from typing import Any

from iiab_lab.kube import Kube

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
Object = dict[str, Any]

SCHEMA: Object = {
    "type": "object",
    "required": ["spec"],
    "properties": {
        "spec": {
            "type": "object",
            "required": ["size"],
            "properties": {
                "size": {"type": "integer", "minimum": 1, "maximum": 9},
                "color": {"type": "string", "enum": ["red", "blue"], "default": "red"},
                "replicas": {"type": "integer", "default": 1},
                "name": {"type": "string", "pattern": "^[a-z]+$", "maxLength": 5},
                "parts": {
                    "type": "array",
                    "maxItems": 3,
                    "items": {
                        "type": "object",
                        "required": ["id"],
                        "properties": {"id": {"type": "string"}, "on": {"type": "boolean", "default": True}},
                    },
                },
                "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                "amounts": {"type": "object", "additionalProperties": {"type": "integer"}},
                "port": {"x-kubernetes-int-or-string": True},
            },
        },
        "status": {
            "type": "object",
            "properties": {
                "replicas": {"type": "integer"},
                "selector": {"type": "string"},
                "phase": {"type": "string"},
            },
        },
    },
}


class Kind:
    """A definition of the test's own group, and its objects."""

    def __init__(self, kube: Kube, space: str) -> None:
        self.kube, self.space = kube, space
        self.group = f"{space[-8:]}.example.com"
        self.names = {"kind": "Gadget", "plural": "gadgets", "shortNames": ["gd"], "categories": ["all", "toys"]}
        self.definition: Object = {
            "metadata": {"name": f"gadgets.{self.group}"},
            "spec": {"group": self.group, "scope": "Namespaced", "names": self.names, "versions": [self.version("v1")]},
        }

    def version(self, name: str, schema: Object | None = None, **more: Any) -> Object:
        made = {"name": name, "served": True, "storage": True, "schema": {"openAPIV3Schema": schema or SCHEMA}}
        return copy.deepcopy(made) | more

    def define(self, **spec: Any) -> Object:
        body = self.definition | {"spec": self.definition["spec"] | spec}
        made: Object = self.kube.raw("POST", CRDS, json=body).json()
        return made

    def found(self) -> Object:
        answer: Object = self.kube.raw("GET", self.at).json()
        return answer

    @property
    def at(self) -> str:
        return f"{CRDS}/gadgets.{self.group}"

    def path(self, version: str = "v1") -> str:
        return f"/apis/{self.group}/{version}/namespaces/{self.space}/gadgets"

    def make(self, name: str, spec: Object | None = None, query: str = "", **more: Any) -> Object:
        body = {"metadata": {"name": name}, "spec": {"size": 1} if spec is None else spec} | more
        made: Object = self.kube.raw("POST", self.path() + query, json=body).json()
        return made

    def conditions(self) -> dict[str, tuple[str, str]]:
        found = (self.found().get("status") or {}).get("conditions") or ()
        return {c["type"]: (c["status"], c["reason"]) for c in found}

    def forget(self) -> None:
        """Every definition of the group."""
        for item in self.kube.list("apiextensions.k8s.io/v1", "CustomResourceDefinition"):
            if item["spec"]["group"] == self.group:
                self.kube.raw("DELETE", f"{CRDS}/{item['metadata']['name']}")
