"""What a write must pass: metadata, known fields, defaults, plug-ins, values → the object as it may be stored, and warnings.

Our own kinds are always strict. A user's own kinds follow fieldValidation: Strict refuses an unknown field, Warn drops it
and says so, Ignore drops it.
"""

from __future__ import annotations

from collections.abc import Mapping

from ....errors import ApiError
from ..objects.kinds import Kind
from ..objects.meta import Object
from . import metadata, structural
from .admission import Admit, Plugin, Reader
from .registry import Resource

Plugins = Mapping[Kind, tuple[Plugin, ...]]


class Gate:
    def __init__(self, plugins: Plugins, general: tuple[Plugin, ...], head: Reader) -> None:
        """`general` plug-ins see the writes of every kind, after those of the kind alone."""
        self._plugins, self._general, self._head = plugins, general, head

    def admit(
        self, resource: Resource, operation: str, obj: Object, old: Object | None, subresource: str, validation: str
    ) -> tuple[Object, tuple[str, ...]]:
        """The object is changed in place where it must be. Raises ApiError 400, 403, 422."""
        metadata.check(obj, resource.kind)
        if old is not None:
            metadata.check_update(obj, old, resource.kind)
        warnings = _fields(obj, resource, validation)
        obj = self._plug_in(resource, operation, obj, old, subresource)
        structural.check(obj, resource.schema, resource.kind.kind, resource.kind.group)
        idle = structural.without_effect(obj, resource.schema) if not subresource else ()
        return obj, (*warnings, *(f"{path} has no effect on the embedded engine" for path in idle))

    def delete(self, resource: Resource, obj: Object) -> None:
        for plugin in (*self._plugins.get(resource.stored, ()), *self._general):
            plugin(Admit(resource.stored, "DELETE", None, obj, "", self._head))

    def _plug_in(self, resource: Resource, operation: str, obj: Object, old: Object | None, subresource: str) -> Object:
        for plugin in (*self._plugins.get(resource.stored, ()), *self._general):
            try:
                replaced = plugin(Admit(resource.stored, operation, obj, old, subresource, self._head))
            except (AttributeError, LookupError, TypeError, ValueError):
                # A plug-in counts on the schema. It comes before the check, as it may fill in what that asks for.
                structural.check(obj, resource.schema, resource.kind.kind, resource.kind.group)
                raise
            if replaced is not None:
                obj = replaced
                structural.default(obj, resource.schema)
        return obj


def _fields(obj: Object, resource: Resource, validation: str) -> tuple[str, ...]:
    """Refuses or drops what the schema does not know, and fills in what it has defaults for → warnings."""
    unknown = [f'unknown field "{path}"' for path in structural.unknown_fields(obj, resource.schema)]
    if unknown and (validation == "Strict" or resource.strict):
        kind = resource.kind
        raise ApiError(
            400,
            "BadRequest",
            f"{kind.kind} in version {kind.version!r} cannot be handled: strict decoding error: {', '.join(unknown)}",
            f"remove it, or see what is served: iiab kubectl explain {kind.plural} --recursive",
        )
    structural.prune(obj, resource.schema)
    structural.drop_nulls(obj, resource.schema)
    structural.default(obj, resource.schema)
    return tuple(unknown) if validation == "Warn" else ()
