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

    @property
    def has_status(self) -> bool:
        return "status" in self.subresources

    @property
    def counted(self) -> bool:
        """Whether changes are counted in metadata.generation: not for kinds without a spec, as ConfigMap."""
        return not self.strict or "spec" in (self.schema.get("properties") or {})


class Registry:
    """Live: `add` and `remove` follow CustomResourceDefinition objects."""

    def __init__(self, definitions: Iterable[Object] = ()) -> None:
        self._by_path: dict[tuple[str, str, str], Resource] = {}
        self._by_kind: dict[tuple[str, str], Resource] = {}
        for definition in definitions:
            self.add(definition, strict=True)

    @classmethod
    def load(cls, folder: Path = SCHEMAS) -> Registry:
        parts = _read(folder / "_parts.yaml")[0]
        files = sorted(file for file in folder.glob("*.yaml") if not file.name.startswith("_"))
        return cls([_resolved(document, parts) for file in files for document in _read(file)])

    def add(self, definition: Object, *, strict: bool = False) -> None:
        spec = definition["spec"]
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
            )
            self._by_path[group, version["name"], names["plural"]] = resource
            if version.get("storage") or (group, names["kind"]) not in self._by_kind:
                self._by_kind[group, names["kind"]] = resource

    def remove(self, definition: Object) -> None:
        spec = definition["spec"]
        for version in spec["versions"]:
            self._by_path.pop((spec["group"], version["name"], spec["names"]["plural"]), None)
        self._by_kind.pop((spec["group"], spec["names"]["kind"]), None)

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
        group, _, version = str(obj.get("apiVersion", "")).rpartition("/")
        return next(
            (
                r
                for r in self._by_path.values()
                if (r.kind.group, r.kind.version, r.kind.kind) == (group, version, obj.get("kind"))
            ),
            None,
        )

    def __iter__(self) -> Iterator[Resource]:
        return iter(list(self._by_path.values()))


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
