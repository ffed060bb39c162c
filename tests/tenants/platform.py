"""An API server that keeps what it is given, refuses what it is told to, and counts."""

from __future__ import annotations

import copy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from iiab_lab.errors import ApiError
from iiab_lab.kube import Object
from iiab_lab.target import Target

Where = tuple[str, str, str]  # kind, namespace, name


class Kube:
    """`refuses` are kinds that a real write meets with 403, `rejects` those that a dry run does."""

    def __init__(self, refuses: str = "", rejects: str = "") -> None:
        self.objects: dict[Where, Object] = {}
        self.refuses, self.rejects = refuses, rejects
        self.tried: list[Where] = []
        self.wrote: list[Where] = []

    def get(self, api_version: str, kind: str, name: str, namespace: str = "") -> Object | None:
        return copy.deepcopy(self.objects.get((kind, namespace, name)))

    def list(self, api_version: str, kind: str, namespace: str = "", selector: str = "") -> list[Object]:
        name, _, value = selector.partition("=")
        return [
            copy.deepcopy(obj)
            for (found, space, _), obj in self.objects.items()
            if found == kind and namespace in ("", space) and _labelled(obj, name, value)
        ]

    def apply(self, obj: Object, dry_run: bool = False) -> str:
        where = place(obj)
        if obj["kind"] == (self.rejects if dry_run else self.refuses):
            raise ApiError(403, "Forbidden", f"{obj['kind']} is forbidden")
        if dry_run:
            assert (
                where[1] in ("", "istio-system", "envoy-gateway-system") or ("Namespace", "", where[1]) in self.objects
            )
            self.tried.append(where)
            return "created"
        before = self.objects.get(where)
        self.objects[where] = copy.deepcopy(obj)
        self.wrote.append(where)
        return "created" if before is None else "unchanged" if before == obj else "configured"

    def delete(self, api_version: str, kind: str, name: str, namespace: str = "") -> None:
        self.objects.pop((kind, namespace, name), None)
        if kind == "Namespace":
            self.objects = {where: obj for where, obj in self.objects.items() if where[1] != name}

    def path(self, api_version: str, kind: str, namespace: str = "", name: str = "") -> str:
        return f"{kind}/{namespace}/{name}"

    def discover(self, version: str) -> list[Object]:
        """Kinds of the core group in `v1`, all others in `lab/v1`."""
        kinds = sorted({(kind, bool(space)) for kind, space, _ in self.objects})
        core = {obj["kind"] for obj in self.objects.values() if obj["apiVersion"] == "v1"}
        return [
            {"name": kind.lower(), "kind": kind, "namespaced": namespaced, "verbs": ["list", "patch"]}
            for kind, namespaced in kinds
            if (kind in core) == (version == "v1")
        ]

    def raw(self, method: str, path: str, json: Object | None = None) -> Any:
        if method == "GET":
            only = {"groupVersion": "lab/v1"}
            return SimpleNamespace(json=lambda: {"groups": [{"preferredVersion": only, "versions": [only]}]})
        assert method == "PUT" and json is not None
        kind, namespace, name = path.split("/")
        self.objects[kind, namespace, name] = json

    def wait(self, where: tuple[str, str, str, str], holds: Any, **_: Any) -> Object:
        """The identity service comes round at once."""
        _, _, namespace, name = where
        tenants = {
            obj["metadata"]["labels"]["iiab.lab/tenant"] for obj in self.list("v1", "Namespace", "", "iiab.lab/tenant")
        }
        data = {"jwks": "{}"} | {f"{tenant}.jwks": "{}" for tenant in tenants}
        found: Object = {"metadata": {"name": name, "namespace": namespace}, "data": data}
        assert holds(found)
        return found


def target(kube: Kube) -> Any:
    made = Target("embedded", Path("kubeconfig"), "", "", "")
    made.__dict__["kube"] = kube  # where the property keeps it
    return made


def place(obj: Object) -> Where:
    return obj["kind"], obj["metadata"].get("namespace", ""), obj["metadata"]["name"]


def _labelled(obj: Object, name: str, value: str) -> bool:
    labels = obj["metadata"].get("labels") or {}
    return not name or (name in labels and value in ("", labels[name]))
