"""A configuration that a proxy refuses as a whole → which of its parts it refuses, and what it says of each."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from typing import Generic, TypeVar

T = TypeVar("T", bound=Hashable)
Editions = Mapping[T, Hashable]  # an object stays the same as long as this does


async def culprits(
    suspects: Sequence[T], refusal: Callable[[Sequence[T]], Awaitable[str]], why: str = ""
) -> dict[T, str]:
    """Halves are asked about, until one is alone. `why`: what is known to be said of all of them together."""
    why = why or (await refusal(suspects) if suspects else "")
    if not why or len(suspects) == 1:
        return {suspects[0]: why} if why else {}
    half = len(suspects) // 2
    found = await culprits(suspects[:half], refusal)
    return {**found, **await culprits(suspects[half:], refusal, "" if found else why)}


def gist(said: str) -> str:
    """Of Envoy's long report, the cause."""
    return said.rpartition("caused by ")[2].rpartition("bootstrap.json': ")[2].strip()[-300:]


class Verdicts(Generic[T]):
    """What one proxy refuses, as long as it is the same; and what it once took."""

    def __init__(self) -> None:
        self.refused: dict[T, str] = {}  # why
        self._refused_as: dict[T, Hashable] = {}
        self._proven: Editions[T] = {}

    def refuse(self, found: Mapping[T, str], editions: Editions[T]) -> None:
        self.refused |= {named: gist(why) for named, why in found.items()}
        self._refused_as |= {named: editions.get(named) for named in found}

    def forget_changed(self, editions: Editions[T]) -> None:
        self.refused = {one: why for one, why in self.refused.items() if editions.get(one) == self._refused_as[one]}

    def accept(self, editions: Editions[T]) -> None:
        self._proven = {named: known for named, known in editions.items() if named not in self.refused}

    def unproven(self, editions: Editions[T]) -> list[T]:
        """What was not there, or not like this, when the proxy last took everything."""
        return [named for named, known in editions.items() if self._proven.get(named) != known]
