"""A request of somebody signed in → what every page is given: who, the services, the form; and a page made of a template."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import quote, urlencode

from fastapi import Depends, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.datastructures import FormData

from ...audited import known_as
from ..callers import Caller
from ..errors import Refused
from ..platform import Object
from ..services import Services
from .csrf import FIELD, Csrf, require_same_origin
from .rendering import render
from .session import Session, Sessions

BASE, COOKIE = "/ui", "session"


@dataclass
class Site:
    """What all visits share."""

    lab: Services
    sessions: Sessions
    csrf: Csrf


class NotSignedIn(Exception):
    """`ended` for who was."""

    def __init__(self, ended: bool) -> None:
        super().__init__()
        self.ended = ended


@dataclass
class Visit:
    request: Request
    site: Site
    session: Session
    who: Caller

    @property
    def lab(self) -> Services:
        return self.site.lab

    def page(self, template: str, status: int = 200, **context: Any) -> HTMLResponse:
        note = self.session.take(self.request.query_params.get("said", ""))
        known = {"who": self.who, "csrf": self.site.csrf.token(self.session.id), "note": note}
        return HTMLResponse(render(template, path=self.request.url.path, **known, **context), status)

    def go(self, *parts: str, **note: Any) -> Response:
        """To another page, which shows the note once."""
        query = {"said": self.session.leave(**note)} if note else {}
        return to(*parts, **query)

    def model(self, namespace: str, name: str) -> Object:
        """Raises 404 for another tenant's, in the words for one that does not exist."""
        found = self.lab.models.find(self.who, name, namespace)
        if found["metadata"]["namespace"] != namespace:
            raise Refused(404, "Model not found", f"There is no model {name} in {namespace}.")
        return found


def to(*parts: str, **query: str) -> Response:
    """303: whatever was sent, the next is a GET."""
    path = "/".join([BASE, *(quote(part, safe="") for part in parts)])
    return RedirectResponse(path + (f"?{urlencode(query)}" if query else ""), 303)


def site(request: Request) -> Site:
    found: Site = request.app.state.site
    return found


def signed(request: Request) -> Visit:
    """The token is judged anew for each request: a tenant that is gone is out at once."""
    shared = site(request)
    given = request.cookies.get(COOKIE, "")
    session = shared.sessions.find(given)
    if session is None:
        raise NotSignedIn(bool(given))
    try:
        visit = Visit(request, shared, session, shared.lab.callers.of(session.token))
    except Refused as refused:
        shared.sessions.end(session.id)
        raise NotSignedIn(True) from refused
    request.state.visit = visit
    known_as(request, visit.who.name, visit.who.tenant)
    return visit


Signed = Annotated[Visit, Depends(signed)]


def admin(visit: Signed) -> Visit:
    if not visit.who.is_admin:
        why = f"You are signed in as {visit.who.tenant}. Sign out, then sign in with the admin’s password."
        raise Refused(403, "This page is the admin’s", why)
    return visit


async def posted(request: Request, visit: Signed) -> FormData:
    """The form, once it is known to come from a page of ours; the body is not read before."""
    require_same_origin(request)
    form = await request.form(max_files=1, max_fields=50)
    visit.site.csrf.require(visit.session.id, form.get(FIELD))
    return form


Admin = Annotated[Visit, Depends(admin)]
Posted = Annotated[FormData, Depends(posted)]
