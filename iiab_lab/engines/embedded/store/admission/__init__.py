"""The seam for behaviour of one kind inside a write: a plug-in sees the change and may replace the object or refuse it.

The core knows no plug-in; `plugins.py` lists them by kind.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from ...objects.kinds import Key, Kind
from ...objects.meta import Object


class Reader(Protocol):
    def read(self, kind: Kind, key: Key) -> Object | None: ...

    def read_all(self, kind: Kind, namespace: str | None = None) -> list[Object]: ...


@dataclass(frozen=True)
class Admit:
    """One write on its way in. `object` is None for DELETE, `old` is None for CREATE.

    Of a DELETE, `old` is what stays of the object, where it stays for a while: a plug-in may write into it.
    """

    kind: Kind
    operation: str
    object: Object | None
    old: Object | None
    subresource: str
    reader: Reader


Plugin = Callable[[Admit], "Object | None"]
