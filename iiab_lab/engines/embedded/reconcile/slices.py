"""The EndpointSlices a Service should have → those it has."""

from __future__ import annotations

from collections.abc import Iterable

from ..objects.kinds import ENDPOINT_SLICE, Key
from ..objects.meta import Object, key_of
from ..objects.names import SERVICE_NAME
from .ports import Client


async def settle(client: Client, service: Key, slices: Iterable[Object]) -> None:
    """Before break, make: a Service that leads nowhere for a moment refuses what comes in that moment."""
    wanted = {one["metadata"]["name"]: one for one in slices}
    for made in wanted.values():
        await client.apply(made)
    for present in client.list(ENDPOINT_SLICE, service.namespace, {SERVICE_NAME: service.name}):
        if present["metadata"]["name"] not in wanted:
            await client.delete(ENDPOINT_SLICE, key_of(present))
