"""By the edge: another tenant's published model, with a token, a key and names of one's own."""

from __future__ import annotations

from dataclasses import dataclass

from ...security.attack import EDGE, FLOWER, Ask, Outcome, Send
from ..estate import Estate
from ..row import Attempt, Of, Row

ROAD = "gateway"
_PUBLIC = "api.router.inference-in-a-box"
_PATH = "/models/<victim>/predict"


@dataclass(frozen=True)
class Keyed(Attempt):
    """A prediction with the key of the actor's own model."""

    actor: str
    owner: str

    def on(self, estate: Estate) -> Outcome:
        key = estate.models[self.actor].key
        return Of(self.owner, Ask(_PATH, bearer="", headers=(("x-api-key", key),), host=_PUBLIC))(estate)


def _public(actor: str, owner: str) -> Send:
    return Of(owner, Ask(_PATH, bearer=actor, host=_PUBLIC))


def _dressed(actor: str, owner: str) -> Send:
    """In the owner's name, as far as headers go."""
    said = (("x-tenant", "<owner>"), ("x-jwt-tenant", "<owner>"), ("x-client-id", "<owner>"))
    return Of(owner, Ask(_PATH, bearer=actor, host=_PUBLIC, headers=said))


def _inside(actor: str, owner: str) -> Send:
    """The name by which tier 2 knows the model, at the edge; where it is published it is not by that name."""
    return Of(owner, Ask("/v1/models/<victim>:predict", bearer=actor, host="<victim>.<owner>.example.com", body=FLOWER))


def _named(actor: str, owner: str) -> Send:
    """A name of one's own in front of the other's path."""
    return Of(owner, Ask(f"/models/{Estate.model(actor)}/../<victim>/predict", bearer=actor, host=_PUBLIC))


ROWS = (
    Row(ROAD, "a prediction with one's own token", _public, (EDGE,), ("401", "403")),
    Row(ROAD, "a prediction with the key of one's own model", Keyed, (EDGE,), ("401", "403")),
    Row(ROAD, "a prediction in the owner's name, by headers", _dressed, (EDGE,), ("401", "403"), control=_public),
    Row(ROAD, "a path that begins as one's own", _named, (EDGE,), ("400", "401", "403"), control=_public),
    Row(ROAD, "the name by which only tier 2 knows it", _inside, (EDGE,), ("404",), control=_public),
)  # fmt: skip
