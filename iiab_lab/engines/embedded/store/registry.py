"""Schema files (CustomResourceDefinition form) → the resources this platform serves, found by path or by kind.

Built-in kinds and a user's own CustomResourceDefinitions take the same road; only where the file comes from differs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from ....errors import ApiError
from ..objects.kinds import Kind
from ..objects.meta import Object

SCHEMAS = Path(__file__).parent.parent / "schemas"


# The groups that Kubernetes itself serves. Every other group is a CustomResourceDefinition's, ours included.
NATIVE = frozenset(
    ["", "apps", "batch", "autoscaling", "policy"]
    + [f"{name}.k8s.io" for name in ("apiextensions", "certificates", "coordination", "discovery", "networking")]
    + ["rbac.authorization.k8s.io"]
)


@dataclass(frozen=True)
class Resource:
    """One served version of a kind. Every version shares the storage of `stored`, the storage version's Kind."""

    kind: Kind
    stored: Kind
    schema: Object
    singular: str
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    subresources: frozenset[str] = frozenset()
    columns: tuple[Object, ...] = ()
    strict: bool = True  # ours are always strict; a user's own kinds follow fieldValidation
    scale: Object = field(default_factory=dict)
    selectable: tuple[str, ...] = ()  # further fields that a field selector may name

    @property
    def has_status(self) -> bool:
        return "status" in self.subresources

    @property
    def native(self) -> bool:
        return self.kind.group in NATIVE

    @property
    def counted(self) -> bool:
        """Whether changes are counted in metadata.generation: not for kinds without a spec, as ConfigMap."""
        return not self.native or "spec" in (self.schema.get("properties") or {})


class Registry:
    """Live: `add` and `remove` follow CustomResourceDefinition objects."""

    def __init__(self, definitions: Iterable[Object] = ()) -> None:
        self._by_path: dict[tuple[str, str, str], Resource] = {}
        self._by_kind: dict[tuple[str, str], Resource] = {}  # (apiVersion, kind)
        self._ours: set[tuple[str, str]] = set()  # (group, plural): no user's definition takes their place
        self.version = 0  # counts changes of what is served
        for definition in definitions:
            self.add(definition, strict=True)

    @classmethod
    def load(cls, folder: Path = SCHEMAS) -> Registry:
        return cls(definitions(folder))

    def add(self, definition: Object, *, strict: bool = False) -> None:
        if self.is_ours(definition) and not strict:
            return
        self.version += 1
        spec = definition["spec"]
        if strict:
            self._ours.add((spec["group"], spec["names"]["plural"]))
        group, names, versions = spec["group"], spec["names"], spec["versions"]
        stored_version = next(version["name"] for version in versions if version.get("storage"))
        for version in versions:
            if not version.get("served", True):
                continue
            kind, stored = (
                Kind(group, name, names["kind"], names["plural"], spec["scope"] == "Namespaced")
                for name in (version["name"], stored_version)
            )
            subresources = version.get("subresources") or {}
            resource = Resource(
                kind,
                stored,
                version["schema"]["openAPIV3Schema"],
                names.get("singular") or names["kind"].lower(),
                tuple(names.get("shortNames") or ()),
                tuple(names.get("categories") or ()),
                frozenset(subresources),
                tuple(version.get("additionalPrinterColumns") or ()),
                strict,
                subresources.get("scale") or {},
                tuple(item["jsonPath"].lstrip(".") for item in version.get("selectableFields") or ()),
            )
            self._by_path[group, version["name"], names["plural"]] = resource
            self._by_kind[kind.api_version, kind.kind] = resource

    def remove(self, definition: Object) -> None:
        if self.is_ours(definition):
            return
        self.version += 1
        spec = definition["spec"]
        for version in spec["versions"]:
            gone = self._by_path.pop((spec["group"], version["name"], spec["names"]["plural"]), None)
            if gone:
                self._by_kind.pop((gone.kind.api_version, gone.kind.kind), None)

    def is_ours(self, definition: Object) -> bool:
        """Whether a CustomResourceDefinition is of a kind that this engine serves by itself."""
        return (definition["spec"]["group"], definition["spec"]["names"]["plural"]) in self._ours

    def find(self, group: str, version: str, plural: str) -> Resource | None:
        return self._by_path.get((group, version, plural))

    def of(self, kind: Kind) -> Resource:
        found = self._by_path.get((kind.group, kind.version, kind.plural))
        if found is None:
            raise ApiError(
                404, "NotFound", "the server could not find the requested resource", "iiab kubectl api-resources"
            )
        return found

    def for_object(self, obj: Object) -> Resource | None:
        """The resource an object says it is, by apiVersion and kind."""
        return self._by_kind.get((str(obj.get("apiVersion", "")), str(obj.get("kind", ""))))

    def __iter__(self) -> Iterator[Resource]:
        return iter(list(self._by_path.values()))


def definitions(folder: Path = SCHEMAS) -> list[Object]:
    """Every schema file of a folder, whole, in the form of CustomResourceDefinitions without metadata."""
    parts = _read(folder / "_parts.yaml")[0]
    files = sorted(file for file in folder.glob("*.yaml") if not file.name.startswith("_"))
    return [_resolved(document, parts) for file in files for document in _read(file)]


def _read(file: Path) -> list[Object]:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return [document for document in yaml.load_all(file.read_bytes(), Loader=loader) if document]


def _resolved(value: Any, parts: Object) -> Any:
    """`{$part: Name}` → that part; what stands beside `$part` is added to it."""
    if isinstance(value, list):
        return [_resolved(item, parts) for item in value]
    if not isinstance(value, dict):
        return value
    rest = {name: _resolved(child, parts) for name, child in value.items() if name != "$part"}
    return _resolved(parts[value["$part"]], parts) | rest if "$part" in value else rest
