"""Writes that all hold or are all undone: what was there before is put back, what was not is removed."""

from __future__ import annotations

import logging
from types import TracebackType
from typing import Any

from ..errors import Refused
from ..platform import Kind, Object, Platform

log = logging.getLogger(__name__)
_OF_THE_SERVER = ("resourceVersion", "uid", "creationTimestamp", "generation", "managedFields", "selfLink")


class Transaction:
    """`with Transaction(platform) as write:`; an exception inside undoes the writes, latest first."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._undo: list[tuple[Kind, str, str, Object | None, str]] = []

    def __enter__(self) -> Transaction:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if error is not None:
            for item in reversed(self._undo):
                self._restore(*item)

    def create(self, obj: Object) -> Object:
        made = self._platform.create(obj)
        self._remember(obj, None, "")
        return made

    def apply(self, obj: Object, manager: str = "") -> Object:
        """With a manager of its own where the object has other owners too; then undoing gives up that ownership alone."""
        meta = obj["metadata"]
        before = self._platform.get(_kind(obj), meta["name"], meta.get("namespace", ""))
        self._remember(obj, before, manager)
        return self._platform.apply(obj, **({"manager": manager} if manager else {}))

    def delete(self, kind: Kind, name: str, namespace: str) -> None:
        before = self._platform.get(kind, name, namespace)
        if before is not None:
            self._undo.append((kind, name, namespace, before, ""))
            self._platform.delete(kind, name, namespace)

    def _remember(self, obj: Object, before: Object | None, manager: str) -> None:
        meta = obj["metadata"]
        self._undo.append((_kind(obj), meta["name"], meta.get("namespace", ""), before, manager))

    def _restore(self, kind: Kind, name: str, namespace: str, before: Object | None, manager: str) -> None:
        try:
            if manager:
                release(self._platform, kind, name, namespace, manager)
            elif before is None:
                self._platform.delete(kind, name, namespace)
            elif self._platform.get(kind, name, namespace) is None:
                self._platform.create(_bare(before))
            else:
                self._platform.replace(_bare(before))
        except Refused as error:  # the others are still undone
            log.error("cannot undo %s %s/%s: %s", kind.kind, namespace, name, error.details or error.error)


def release(platform: Platform, kind: Kind, name: str, namespace: str, manager: str) -> None:
    """Applies nothing under a manager's name: what it alone owned goes."""
    nothing = {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": {"name": name, "namespace": namespace}}
    platform.apply(nothing, manager=manager)


def _kind(obj: Object) -> Kind:
    return Kind(obj["apiVersion"], obj["kind"])


def _bare(obj: Object) -> Object:
    meta: dict[str, Any] = {name: value for name, value in obj["metadata"].items() if name not in _OF_THE_SERVER}
    return {name: value for name, value in obj.items() if name not in ("metadata", "status")} | {"metadata": meta}
