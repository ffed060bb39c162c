"""The seam for behaviour of one kind at the API: a handler per subresource, or per virtual resource that is never stored.

The core knows none of them; the composition root hands it a table of these.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from starlette.responses import Response

if TYPE_CHECKING:
    from ..resources import Call

Handler = Callable[["Call"], Awaitable[Response]]


@dataclass(frozen=True)
class Plugins:
    """`subresources`: (group, plural, subresource) → handler; `virtual`: (group, plural) → handler of POST."""

    subresources: dict[tuple[str, str, str], Handler] = field(default_factory=dict)
    virtual: dict[tuple[str, str], Handler] = field(default_factory=dict)
