"""CustomResourceDefinitions of kinds that this engine serves by itself → nobody replaces, changes or deletes them."""

from __future__ import annotations

from ....errors import ApiError
from ..objects.meta import Object
from .resources import Call


def keep(call: Call, new: Object | None, old: Object | None) -> None:
    definition = new or old
    if definition is not None and call.store.registry.is_ours(definition):
        name = definition["metadata"]["name"]
        raise ApiError(
            403,
            "Forbidden",
            f'customresourcedefinitions.apiextensions.k8s.io "{name}" is forbidden: the embedded engine serves this kind '
            "by itself, in the subset that it implements",
            "leave the CustomResourceDefinition out; it is for a cluster",
        )
