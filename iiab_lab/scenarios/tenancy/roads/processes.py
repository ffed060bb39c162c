"""On the machine: what a tenant's model, which is code, tries of the others' files, sockets and processes when it is loaded; and
where a Pod of its own may connect, whatever its NetworkPolicy says.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

from ...security.attack import CONFINEMENT, Outcome
from ...security.attacks.pods import Started
from ...security.stage import ABSENT, CONTAINERS
from ..estate import Estate
from ..row import Attempt, Row

ROAD, EGRESS = "processes", "egress"
_INITIALIZER = "kserve/storage-initializer"
_EVERYBODYS = "http://prometheus.monitoring.svc.cluster.local:9090/api/v1/label/namespace/values"
_REFUSED = ("PermissionError", ABSENT)
_TRIED = {
    "volumes": "the folder of all volumes",
    "pods": "the folder of all Pods",
    "records": "the audit stream, as a file",
    "models": "the registry's files",
    "store": "the store, which holds all Secrets",
    "network": "the network, past every proxy",
    "processes": "its parent's environment",
}


@dataclass(frozen=True)
class Confessed(Attempt):
    """What the actor's model reported of one try; of the owner's own, the control: a confined server reads what is its own."""

    what: str
    actor: str
    owner: str

    def on(self, estate: Estate) -> Outcome:
        name = "own" if self.actor == self.owner else self.what
        said = estate.confessed(estate.confession[self.actor].get(name, "not reported"))
        return Outcome(said, f"{said}, says the model of {self.actor} of its try: {name}", (), CONFINEMENT)


@dataclass(frozen=True)
class Connected(Attempt):
    """A Pod of the actor's, without a sidecar, told to fetch from Prometheus, which knows of everybody; its own control copies."""

    actor: str
    owner: str

    def on(self, estate: Estate) -> Outcome:
        if self.actor == self.owner:
            return Started(_INITIALIZER, ("/own", "/out/x"), owner=estate.namespaces[self.actor])(estate)
        return estate.once(("egress", self.actor), self._fetched)

    def _fetched(self, estate: Estate) -> Outcome:
        outcome = Started(_INITIALIZER, (_EVERYBODYS, "/out/x"), owner=estate.namespaces[self.actor])(estate)
        return replace(outcome, status="reached") if "digest" in outcome.said else outcome


def _unconfined(estate: Estate) -> str:
    return "" if estate.confined else "this kernel confines no program (no Landlock): all are one user's"


def _unguarded(estate: Estate) -> str:
    return "" if estate.confinement == CONTAINERS else "what leaves a Pod past the proxies meets no NetworkPolicy"


ROWS = (
    *(Row(
        "audit" if name == "records" else "registry" if name == "models" else ROAD,
        text,
        partial(Confessed, name),
        (CONFINEMENT,),
        _REFUSED,
        passes=("done",),
        open_where=_unconfined,
    )
    for name, text in _TRIED.items()),
    Row(EGRESS, "a Pod of one's own, to what keeps everybody's metrics", Connected, (CONFINEMENT,), ("refused",), passes=("done",), open_where=_unguarded),
)  # fmt: skip
