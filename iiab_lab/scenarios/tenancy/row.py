"""One thing a tenant tries of another's: what it sends, what has to stop it, and what the owner gets by the same road."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace

from ..security.attack import Ask, Attack, Outcome, Send
from ..security.stage import Stage
from .estate import Estate

# (who asks, whose it is) → what is sent
Asking = Callable[[str, str], Send]

NOT_ISOLATED = "not isolated"
SEEN, NOTHING = "seen", "nothing"


@dataclass(frozen=True)
class Row:
    """`ask` for the tenant that tries; `control` for the owner, else the same. `statuses`, `layers`, `says`, `hides`: as of an
    Attack, with `<owner>` and `<victim>` in what is hidden. `open_where` tells of a platform that does not isolate this, and why.
    """

    road: str
    what: str
    ask: Asking
    layers: tuple[str, ...]
    statuses: tuple[str, ...]
    control: Asking | None = None
    passes: tuple[str, ...] = ("200",)
    hides: str = ""
    open_where: Callable[[Estate], str] = lambda _: ""

    def attempt(self, estate: Estate, actor: str, owner: str) -> Attack:
        hides = estate.filled_for(self.hides, owner) if self.hides else ""
        asked, control = self.ask(actor, owner), self.asked_by_owner(owner)
        return Attack(
            f"{actor} → {owner}: {self.what}", self.road, "", self.what, asked, self.layers, self.statuses, control, self.passes,
            hides=hides,
        )  # fmt: skip

    def asked_by_owner(self, owner: str) -> Send:
        return (self.control or self.ask)(owner, owner)


class Attempt(ABC):
    """What is sent on the stage where tenants stand."""

    def __call__(self, stage: Stage) -> Outcome:
        assert isinstance(stage, Estate), "tenants try each other on an Estate"
        return self.on(stage)

    @abstractmethod
    def on(self, estate: Estate) -> Outcome: ...


@dataclass(frozen=True)
class Of(Attempt):
    """A request in which `<owner>`, `<victim>`, `<key-id>`, … are the owner's."""

    owner: str
    ask: Ask

    def on(self, estate: Estate) -> Outcome:
        path, body = (estate.filled_for(text, self.owner) for text in (self.ask.path, self.ask.body))
        headers = tuple((name, estate.filled_for(value, self.owner)) for name, value in self.ask.headers)
        host = estate.filled_for(self.ask.host, self.owner)
        return replace(self.ask, path=path, body=body, headers=headers, host=host)(estate)


@dataclass(frozen=True)
class Seen(Attempt):
    """An answer by what is in it: `seen` where this of the owner's is, else `nothing`; the status where it is no 200."""

    text: str
    ask: Of

    def on(self, estate: Estate) -> Outcome:
        outcome = self.ask(estate)
        if outcome.status != "200":
            return outcome
        there = estate.filled_for(self.text, self.ask.owner) in outcome.said
        return replace(outcome, status=SEEN if there else NOTHING)
