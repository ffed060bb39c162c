"""The seam for behaviour of one kind at the API: a handler per subresource, or per virtual resource that is never stored.

The core knows none of them; the composition root hands it a table of these.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from starlette.responses import Response

from ...objects.meta import Object

if TYPE_CHECKING:
    from starlette.websockets import WebSocket

    from ...store.store import Store
    from ..authn import User
    from ..info import Info
    from ..resources import Call

Handler = Callable[["Call"], Awaitable[Response]]
# (call, object as it would be stored or None for a deletion, stored object or None): raises what refuses it to this user.
Approval = Callable[["Call", "Object | None", "Object | None"], None]

# Checks at once (and raises ApiError), then goes on for as long as the socket is open.
Socket = Callable[["WebSocket", "Info", "User", "Store"], Awaitable[None]]


class VirtualKind(NamedTuple):
    """A kind that is answered, never stored; most are posted."""

    group: str
    version: str
    kind: str
    plural: str
    namespaced: bool
    verbs: tuple[str, ...] = ("create",)


@dataclass(frozen=True)
class Plugins:
    """`subresources`: (group, plural, subresource) → handler; `virtual`: kind → handler of its verbs;

    `sockets`: (group, plural, subresource) → what happens on a WebSocket there; `approvals`: (group, plural) → what its writers must pass beyond RBAC.
    """

    subresources: dict[tuple[str, str, str], Handler] = field(default_factory=dict)
    virtual: dict[VirtualKind, Handler] = field(default_factory=dict)
    sockets: dict[tuple[str, str, str], Socket] = field(default_factory=dict)
    approvals: dict[tuple[str, str], Approval] = field(default_factory=dict)
