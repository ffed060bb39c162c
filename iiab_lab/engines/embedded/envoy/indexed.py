"""A World as one translation sees it: each kind is listed once and looked up from then on, and what was asked for is known.

Without it a thousand routes would each read through all policies and all EndpointSlices.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Mapping
from typing import Any, NamedTuple, TypeVar

from ..objects.kinds import ENDPOINT_SLICE, Key, Kind
from ..objects.meta import Object, labels_of
from ..objects.names import SERVICE_NAME
from .world import World

Objects = list[Object]
T = TypeVar("T")


class _Listed(NamedTuple):
    everything: Objects
    by_namespace: dict[str, Objects]
    by_label: dict[tuple[str | None, str], dict[str | None, Objects]]


class Indexed:
    """`asked`: the objects that were looked for, there or not; for EndpointSlices, the Services whose they are."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._known: dict[Kind, _Listed] = {}
        self.asked: set[tuple[Kind, Key]] = set()
        self._found: dict[Hashable, Any] = {}

    def get(self, kind: Kind, key: Key) -> Object | None:
        self.asked.add((kind, key))
        return self._world.get(kind, key)

    def list(self, kind: Kind, namespace: str | None = None, labels: Mapping[str, str] | None = None) -> Objects:
        known = self._listed(kind)
        if not labels:
            return known.everything if namespace is None else known.by_namespace.get(namespace, [])
        (name, value), *others = labels.items()
        if kind == ENDPOINT_SLICE and name == SERVICE_NAME and namespace is not None:
            self.asked.add((kind, Key(namespace, value)))
        found = self._by_label(known, namespace, name).get(value, [])
        return [obj for obj in found if dict(others).items() <= labels_of(obj).items()] if others else found

    def once(self, question: Hashable, answer: Callable[[], T]) -> T:
        if question not in self._found:
            self._found[question] = answer()
        found: T = self._found[question]
        return found

    def _listed(self, kind: Kind) -> _Listed:
        if kind not in self._known:
            everything, by_namespace = self._world.list(kind), defaultdict(list)
            for obj in everything:
                by_namespace[obj["metadata"].get("namespace", "")].append(obj)
            self._known[kind] = _Listed(everything, by_namespace, {})
        return self._known[kind]

    def _by_label(self, known: _Listed, namespace: str | None, name: str) -> dict[str | None, Objects]:
        if (namespace, name) not in known.by_label:
            index = known.by_label[namespace, name] = defaultdict(list)
            for obj in known.everything if namespace is None else known.by_namespace.get(namespace, ()):
                index[labels_of(obj).get(name)].append(obj)
        return known.by_label[namespace, name]


def once(world: World, question: Hashable, answer: Callable[[], T]) -> T:
    """What is asked again and again in one translation, and depends on the objects of that one alone."""
    return world.once(question, answer) if isinstance(world, Indexed) else answer()
