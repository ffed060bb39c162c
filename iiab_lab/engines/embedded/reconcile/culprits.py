"""A configuration that a proxy refuses as a whole → which of its parts it refuses, and what it says of each."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

T = TypeVar("T")


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
