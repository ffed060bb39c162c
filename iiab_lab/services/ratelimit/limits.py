"""A configuration in the form of envoyproxy/ratelimit, and the descriptors of a request → whether it may pass.

A window slides: of a limit of 100 a minute, no more than 100 pass in any minute, wherever the clock's minutes begin. Up to a
thousand requests each is remembered by its time; above, two counters estimate the window. A request that one limit refuses is
counted by none. New limits keep what was counted; with the last limit of a scope goes what was counted in it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from limits import (
    RateLimitItem,
    RateLimitItemPerDay,
    RateLimitItemPerHour,
    RateLimitItemPerMinute,
    RateLimitItemPerSecond,
)
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter, RateLimiter, SlidingWindowCounterRateLimiter

Entries = Sequence[tuple[str, str]]
Object = Mapping[str, Any]
_REMEMBERED = 1000
Tree = dict[tuple[str, str | None], Any]


class Decision(NamedTuple):
    """On one descriptor: its limit (requests per unit), what is left of it, and in how many seconds some of it is back."""

    over: bool
    requests: int
    unit: str
    remaining: int
    seconds: int


def _counted_by_name(kind: type[RateLimitItem]) -> type[RateLimitItem]:
    """The library keys a bucket by its limit too; without it, a limit that changes goes on counting."""

    class Item(kind):  # type: ignore[misc, valid-type]
        def key_for(self, *identifiers: bytes | str | int | float) -> str:
            return "/".join([kind.__name__, *map(str, identifiers)])

    return Item


_ITEMS = {
    "second": _counted_by_name(RateLimitItemPerSecond),
    "minute": _counted_by_name(RateLimitItemPerMinute),
    "hour": _counted_by_name(RateLimitItemPerHour),
    "day": _counted_by_name(RateLimitItemPerDay),
}


class Limits:
    """Not thread-safe: a decision is a test of every limit, then a hit of every limit."""

    def __init__(self) -> None:
        self._storage = storage = MemoryStorage()
        self._exact, self._estimated = MovingWindowRateLimiter(storage), SlidingWindowCounterRateLimiter(storage)
        self._domains: dict[str, Tree] = {}

    def load(self, configurations: Sequence[Object]) -> None:
        """One for each domain; raises KeyError, TypeError or ValueError where one is not of the form."""
        before = self._scopes()
        self._domains = {one["domain"]: _tree(one.get("descriptors") or ()) for one in configurations}
        if gone := tuple(before - self._scopes()):
            for bucket in [*self._storage.events, *self._storage.storage]:
                if bucket.partition("/")[2].startswith(gone):
                    self._storage.clear(bucket)

    def _scopes(self) -> set[str]:
        """How the names of buckets begin."""
        return {f"{domain}/{key}/{value}/" for domain, tree in self._domains.items() for key, value in tree if value}

    def named(self) -> Iterator[tuple[str, str, str]]:
        """(domain, key, the key below) of every limit there is."""
        for domain, tree in self._domains.items():
            for (key, _), node in tree.items():
                yield from ((domain, key, below) for below, _ in node["below"])

    def decide(self, domain: str, descriptors: Sequence[Entries], hits: int = 1) -> list[Decision | None]:
        """For each descriptor, in order; None where nothing limits it."""
        found = [_find(self._domains.get(domain, {}), entries) for entries in descriptors]
        limited = [
            (limit, (domain, *_names(entries))) for limit, entries in zip(found, descriptors, strict=True) if limit
        ]
        fits = [self._windows(limit).test(_item(limit), *names, cost=hits) for limit, names in limited]
        if all(fits):
            for limit, names in limited:
                self._windows(limit).hit(_item(limit), *names, cost=hits)
        made = iter([self._decision(limit, names, fit) for (limit, names), fit in zip(limited, fits, strict=True)])
        return [next(made) if limit else None for limit in found]

    def _windows(self, limit: Object) -> RateLimiter:
        return self._exact if limit["requests_per_unit"] <= _REMEMBERED else self._estimated

    def _decision(self, limit: Object, names: tuple[str, ...], fits: bool) -> Decision:
        stats = self._windows(limit).get_window_stats(_item(limit), *names)
        seconds = max(1, math.ceil(stats.reset_time - time.time()))
        return Decision(not fits, limit["requests_per_unit"], limit["unit"], stats.remaining if fits else 0, seconds)


def _item(limit: Object) -> RateLimitItem:
    return _ITEMS[limit["unit"]](limit["requests_per_unit"])


def _tree(descriptors: Sequence[Object]) -> Tree:
    """Descriptors by (key, value); a value of None stands for any."""
    tree: Tree = {}
    for one in descriptors:
        limit = one.get("rate_limit")
        if limit is not None and (limit["unit"] not in _ITEMS or int(limit["requests_per_unit"]) < 0):
            raise ValueError(f"a limit of {limit} is none")
        tree[one["key"], one.get("value")] = {"limit": limit, "below": _tree(one.get("descriptors") or ())}
    return tree


def _find(tree: Tree, entries: Entries) -> Object | None:
    """The limit at the end of the path that the entries describe."""
    node: Any = None
    for key, value in entries:
        node = tree.get((key, value)) or tree.get((key, None))
        if node is None:
            return None
        tree = node["below"]
    found: Object | None = node["limit"] if node else None
    return found


def _names(entries: Entries) -> tuple[str, ...]:
    return tuple(part for entry in entries for part in entry)
