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
from ..rules.definitions import conflict
from . import descriptions

SCHEMAS = Path(__file__).parent.parent / "schemas"


# The groups that Kubernetes itself serves. Every other group is a CustomResourceDefinition's, ours included.
NATIVE = frozenset(
    ["", "apps", "batch", "autoscaling", "policy"]
    + [f"{name}.k8s.io" for name in ("apiextensions", "certificates", "coordination", "discovery", "networking")]
    + ["rbac.authorization.k8s.io"]
)


@dataclass(frozen=True)
class Resource:
    """One version of a kind. All versions share one table, that of the Kind `stored`, which stays when another is stored."""

    kind: Kind
    stored: Kind
    written: str  # the apiVersion of what is written into the table
    schema: Object
    singular: str
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    subresources: frozenset[str] = frozenset()
    columns: tuple[Object, ...] = ()
    strict: bool = True  # ours are always strict; a user's own kinds follow fieldValidation
    scale: Object = field(default_factory=dict)
    selectable: tuple[str, ...] = ()  # further fields that a field selector may name
    served: bool = True
    ending: bool = False  # its definition is being deleted

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
    """Live: `add` and `remove` follow CustomResourceDefinition objects.

    A definition whose names are taken waits until they are free.
    """

    def __init__(self, definitions: Iterable[Object] = ()) -> None:
        self._by_path: dict[tuple[str, str, str], Resource] = {}
        self._by_kind: dict[tuple[str, str], Resource] = {}  # (apiVersion, kind)
        self._names: dict[tuple[str, str], Object] = {}  # (group, plural) → all names that are taken
        self._tables: dict[tuple[str, str], Resource] = {}  # (group, plural) → the version that is stored
        self._waiting: dict[tuple[str, str], Object] = {}
        self._ours: set[tuple[str, str]] = set()  # (group, plural): no user's definition takes their place
        self.version = 0  # counts changes of what is served
        for definition in definitions:
            self.add(definition, strict=True)

    @classmethod
    def load(cls, folder: Path = SCHEMAS) -> Registry:
        return cls(definitions(folder))

    def add(self, definition: Object, *, strict: bool = False) -> None:
        """Or replaces what was defined before."""
        if self.is_ours(definition) and not strict:
            return
        self.version += 1
        names, place = definition["spec"]["names"], _place(definition)
        if strict:
            self._ours.add(place)
        before = self._tables.get(place)
        self._drop(place)
        if not strict and conflict(names, (taken for (group, _), taken in self._names.items() if group == place[0])):
            self._waiting[place] = definition
            return
        self._names[place] = names
        for resource in _versions(definition, before.stored if before else None, strict=strict):
            kind = resource.kind
            self._by_path[kind.group, kind.version, kind.plural] = resource
            self._by_kind[kind.api_version, kind.kind] = resource
            if kind.api_version == resource.written:
                self._tables[place] = resource

    def remove(self, definition: Object) -> None:
        if self.is_ours(definition):
            return
        self.version += 1
        place = _place(definition)
        self._drop(place)
        for waiting in [other for (group, _), other in self._waiting.items() if group == place[0]]:
            self.add(waiting)

    def _drop(self, place: tuple[str, str]) -> None:
        self._waiting.pop(place, None)
        self._names.pop(place, None)
        self._tables.pop(place, None)
        for path, resource in list(self._by_path.items()):
            if (resource.kind.group, resource.kind.plural) == place:
                del self._by_path[path]
                del self._by_kind[resource.kind.api_version, resource.kind.kind]

    def is_ours(self, definition: Object) -> bool:
        """Whether a CustomResourceDefinition is of a kind that this engine serves by itself."""
        return _place(definition) in self._ours

    def find(self, group: str, version: str, plural: str) -> Resource | None:
        """What is served there."""
        found = self._by_path.get((group, version, plural))
        return found if found and found.served else None

    def of(self, kind: Kind) -> Resource:
        """Of a version, served or not; of a table, the version that is stored in it."""
        found = self._by_path.get((kind.group, kind.version, kind.plural))
        found = found or self._tables.get((kind.group, kind.plural))
        if found is None:
            raise ApiError(
                404, "NotFound", "the server could not find the requested resource", "iiab kubectl api-resources"
            )
        return found

    def for_object(self, obj: Object) -> Resource | None:
        """The resource an object says it is, by apiVersion and kind."""
        return self._by_kind.get((str(obj.get("apiVersion", "")), str(obj.get("kind", ""))))

    def __iter__(self) -> Iterator[Resource]:
        """What is served."""
        return iter([resource for resource in self._by_path.values() if resource.served])

    def tables(self) -> list[Kind]:
        """Of every kind, one that is not served too."""
        return [resource.stored for resource in self._tables.values()]


def _place(definition: Object) -> tuple[str, str]:
    return definition["spec"]["group"], definition["spec"]["names"]["plural"]


def _versions(definition: Object, table: Kind | None, *, strict: bool) -> Iterator[Resource]:
    """`table`: the one its objects are in already."""
    spec, ending = definition["spec"], bool((definition.get("metadata") or {}).get("deletionTimestamp"))
    names, scope = spec["names"], spec["scope"] == "Namespaced"
    stored_version = next(version["name"] for version in spec["versions"] if version.get("storage"))
    stored = Kind(spec["group"], stored_version, names["kind"], names["plural"], scope)
    for version in spec["versions"]:
        subresources = version.get("subresources") or {}
        yield Resource(
            Kind(spec["group"], version["name"], names["kind"], names["plural"], scope),
            table or stored,
            stored.api_version,
            version["schema"]["openAPIV3Schema"],
            names.get("singular") or names["kind"].lower(),
            tuple(names.get("shortNames") or ()),
            tuple(names.get("categories") or ()),
            frozenset(subresources),
            tuple(version.get("additionalPrinterColumns") or ()),
            strict,
            subresources.get("scale") or {},
            tuple(item["jsonPath"].lstrip(".") for item in version.get("selectableFields") or ()),
            version.get("served", True),
            ending,
        )


def definitions(folder: Path = SCHEMAS) -> list[Object]:
    """Every schema file of a folder, whole, in the form of CustomResourceDefinitions without metadata."""
    parts, said = _read(folder / "_parts.yaml")[0], _read(folder / "_descriptions.yaml", "BaseLoader")[0]
    files = sorted(file for file in folder.glob("*.yaml") if not file.name.startswith("_"))
    documents = [document for file in files for document in _read(file)]
    descriptions.add(said, parts, documents)
    return [_resolved(document, parts) for document in documents]


def _read(file: Path, loader: str = "SafeLoader") -> list[Object]:
    """BaseLoader reads text alone, and is the quicker."""
    known = getattr(yaml, f"C{loader}", getattr(yaml, loader))
    return [document for document in yaml.load_all(file.read_bytes(), Loader=known) if document]


def _resolved(value: Any, parts: Object) -> Any:
    """`{$part: Name}` → that part; what stands beside `$part` is added to it."""
    if isinstance(value, list):
        return [_resolved(item, parts) for item in value]
    if not isinstance(value, dict):
        return value
    rest = {name: _resolved(child, parts) for name, child in value.items() if name != "$part"}
    return _resolved(parts[value["$part"]], parts) | rest if "$part" in value else rest
