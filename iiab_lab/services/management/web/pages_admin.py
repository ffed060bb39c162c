"""The admin's pages: the system, and a console for the kubectl that only reads."""

from __future__ import annotations

from fastapi import APIRouter, Response

from ..admin import VERBS
from ..errors import Refused
from .forms import Filled, filled
from .visit import Admin, Posted, Visit

router = APIRouter()
_HISTORY, _MOST = 20, 100_000
_EXAMPLES = (
    "get pods -A",
    "get isvc -A",
    "get httproutes -A",
    "describe gateway ai-inference-gateway -n envoy-gateway-system",
)


@router.get("/system")
def system(visit: Admin) -> Response:
    try:
        gateway = visit.lab.admin.gateway_service()
    except Refused:  # while the gateway starts, the rest is worth seeing all the more
        gateway = None
    return visit.page("system.html", gateway=gateway, **visit.lab.admin.system())


@router.get("/console")
def console(visit: Admin, command: str = "") -> Response:
    return _page(visit, Filled({"command": command[:1000]}))


@router.post("/console")
def run(visit: Admin, form: Posted) -> Response:
    """The answer is rendered at once; what was asked before stands below it."""
    given = filled(form, "command")
    try:
        answer = visit.lab.admin.kubectl(given["command"][:1000])
        if len(answer) > _MOST:
            answer = f"{answer[:_MOST]}\n… and {len(answer) - _MOST:,} characters more; ask for less"
    except Refused as refused:
        given.errors["command"] = refused.details or refused.error
        return _page(visit, given, refused.status)
    visit.session.said = [(given["command"], answer), *visit.session.said][:_HISTORY]
    return _page(visit, given)


def _page(visit: Visit, form: Filled, status: int = 200) -> Response:
    return visit.page("console.html", status, form=form, said=visit.session.said, verbs=VERBS, examples=_EXAMPLES)
