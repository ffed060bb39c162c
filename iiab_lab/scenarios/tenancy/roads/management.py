"""By the management service: each route of another tenant's model; its uploads in the registry; its server's log."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from urllib.parse import urlsplit

from ...security.attack import MANAGEMENT, Ask, Outcome, Send
from ...security.attacks.tenancy import ROUTES, Route
from ..estate import ADMIN, Estate
from ..row import Attempt, Of, Row

_ROADS = {"/versions": "registry", "/logs": "logs"}
_MODEL = Route("GET", "/api/models/<victim>", "")
_ADMINS = {"/api/admin/logs": "logs", "/api/admin/resources": "management", "/api/admin/tenants": "management"}


@dataclass(frozen=True)
class Artifact(Attempt):
    """The owner's uploaded file by its address: whole for the owner, who may read it; without its code for anybody else."""

    actor: str
    owner: str

    def on(self, estate: Estate) -> Outcome:
        *way, code, file = urlsplit(estate.artifacts[self.owner]).path.split("/")
        known = code if self.actor == self.owner else "0" * len(code)
        return Ask("/".join([*way, known, file]), "GET", self.actor, door="management")(estate)


def _asked(route: Route, actor: str, owner: str) -> Send:
    return Of(owner, route.asked_by(actor))


def _as_admin(path: str, actor: str, owner: str) -> Send:
    return Ask(path, "GET", ADMIN if actor == owner else actor, door="management")


def _removed(actor: str, owner: str) -> Send:
    """The admin looks whether it is still there."""
    if actor == owner:
        return _as_admin("/api/admin/tenants", owner, owner)
    return Of(owner, Ask("/api/admin/tenants/<owner>", "DELETE", actor, door="management"))


def _taken(actor: str, owner: str) -> Send:
    """A model of one's own, made of the other's file."""
    body = '{"name": "isolation-taken", "framework": "sklearn", "storageUri": "<artifact>"}'
    return Of(owner, Ask("/api/models", bearer=actor, body=body, door="management"))


def _row(route: Route) -> Row:
    """Where asking would change it, the owner looks whether it is still there."""
    road = next((road for part, road in _ROADS.items() if part in route.path), "management")
    looks = route.method == "GET" or route.path.partition("?")[0].endswith(("predict", "execute"))
    control = partial(_asked, route if looks else _MODEL)
    what = f"{route.method} {route.path.replace('<victim>', 'MODEL').replace('<owner>', 'OWNER')}"
    return Row(road, what, partial(_asked, route), (MANAGEMENT,), (route.status,), control)


ROWS = (
    *map(_row, ROUTES),
    *(
        Row(road, f"GET {path}", partial(_as_admin, path), (MANAGEMENT,), ("403",))
        for path, road in _ADMINS.items()
    ),
    Row("management", "DELETE /api/admin/tenants/OWNER", _removed, (MANAGEMENT,), ("403",)),
    Row("registry", "the uploaded file, its address guessed", Artifact, (MANAGEMENT,), ("404",)),
    Row("registry", "a model of one's own from the owner's file", _taken, (MANAGEMENT,), ("400",), partial(_asked, _MODEL)),
)  # fmt: skip
