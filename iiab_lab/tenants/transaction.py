"""Objects → on the platform, all of them or none: each is tried first, and what was written is undone if anything goes wrong."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from types import TracebackType
from typing import Any

from ..errors import LabError
from ..kube import Kube, Object

# What the API server writes into an object's metadata, and nobody else.
OF_THE_SERVER = ("resourceVersion", "uid", "creationTimestamp", "generation", "managedFields", "selfLink")


class Transaction:
    """`with Transaction(kube) as write:`; an exception inside undoes the writes, the latest first."""

    def __init__(self, kube: Kube) -> None:
        self._kube = kube
        self._undo: list[tuple[Object, Object | None]] = []

    def __enter__(self) -> Transaction:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if error is not None:
            for obj, before in reversed(self._undo):
                with contextlib.suppress(LabError):  # the others are still undone
                    self._restore(obj, before)

    def apply(self, obj: Object) -> str:
        """→ created, configured or unchanged."""
        before = self._kube.get(*_where(obj))
        self._undo.append((obj, before))
        return self._kube.apply(obj)

    def try_all(self, objects: Sequence[Object]) -> None:
        """Nothing is written; raises what the API server would say of one that it would not take."""
        for obj in objects:
            self._kube.apply(obj, dry_run=True)

    def _restore(self, obj: Object, before: Object | None) -> None:
        api_version, kind, name, namespace = _where(obj)
        if before is None:
            self._kube.delete(api_version, kind, name, namespace)
        else:
            self._kube.raw("PUT", self._kube.path(api_version, kind, namespace, name), json=bare(before))


def bare(obj: Object) -> Object:
    """Without status and what only the API server writes."""
    meta: dict[str, Any] = {name: value for name, value in obj["metadata"].items() if name not in OF_THE_SERVER}
    return {name: value for name, value in obj.items() if name not in ("metadata", "status")} | {"metadata": meta}


def _where(obj: Object) -> tuple[str, str, str, str]:
    meta = obj["metadata"]
    return obj["apiVersion"], obj["kind"], meta["name"], meta.get("namespace", "")
