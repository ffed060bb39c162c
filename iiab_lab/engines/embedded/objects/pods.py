"""A Pod → its containers, in the order they are started."""

from __future__ import annotations

from .meta import Object


def containers_of(pod: Object) -> list[Object]:
    """Init containers first. Of a Pod or a Pod template."""
    spec = pod["spec"]
    return [*(spec.get("initContainers") or ()), *spec["containers"]]
