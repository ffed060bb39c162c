"""Signing in, with the admin's password or a tenant's token, and out."""

from __future__ import annotations

import secrets
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.datastructures import FormData

from ..errors import Refused
from .csrf import FIELD, require_same_origin
from .forms import Filled, filled
from .rendering import render
from .visit import BASE, COOKIE, Posted, Signed, site, to

router = APIRouter()
# Who has not signed in yet has a cookie of another name: a link from elsewhere, with which the browser sends no strict
# cookie, must not sign anybody out.
_VISITOR, _FIELDS = "visitor", ("username", "password", "token", "next")


@router.get("/")
def home() -> Response:
    return to("models")


@router.get("/sign-in")
def sign_in(request: Request, next: str = "", why: str = "") -> Response:
    ended = ["Your sign-in has ended. Please sign in again."] if why == "ended" else []
    return _page(request, Filled({"username": "", "next": next}, general=ended))


async def visitor(request: Request) -> FormData:
    """The form of one who is not signed in, known to come from our page too: nobody is signed in by another site."""
    require_same_origin(request)
    form = await request.form(max_files=0, max_fields=10)
    site(request).csrf.require(request.cookies.get(_VISITOR, ""), form.get(FIELD))
    return form


Visitor = Annotated[FormData, Depends(visitor)]


@router.post("/sign-in")
def sign_in_as_admin(request: Request, form: Visitor) -> Response:
    given = filled(form, *_FIELDS)
    try:
        token = site(request).lab.login(given["username"], given.values["password"])
    except Refused as refused:
        given.errors["password"] = f"{refused.error}: {refused.details}"
        return _page(request, given, refused.status)
    return _entered(request, given, token)


@router.post("/sign-in/token")
def sign_in_with_token(request: Request, form: Visitor) -> Response:
    given = filled(form, *_FIELDS)
    return _entered(request, given, "".join(given["token"].split()))


@router.post("/sign-out")
def sign_out(visit: Signed, form: Posted) -> Response:
    visit.site.sessions.end(visit.session.id)
    response = to("sign-in")
    response.delete_cookie(COOKIE, path=BASE, httponly=True, samesite="strict")
    return response


def _entered(request: Request, given: Filled, token: str) -> Response:
    """A session of a new id, whatever cookie came: a planted one is worth nothing."""
    shared = site(request)
    try:
        who = shared.lab.callers.of(token)
    except Refused as refused:
        given.errors["token"] = refused.details
        return _page(request, given, refused.status)
    shared.sessions.end(request.cookies.get(COOKIE, ""))
    session = shared.sessions.begin(token, float(who.claims["exp"]))
    wanted = given["next"]
    response = RedirectResponse(wanted, 303) if wanted.startswith(f"{BASE}/") else to("models")
    _set(request, response, COOKIE, session.id)
    response.delete_cookie(_VISITOR, path=BASE, httponly=True, samesite="strict")
    return response


def _page(request: Request, form: Filled, status: int = 200) -> Response:
    """A password that was refused is not sent back."""
    form.values |= {"password": "", "token": ""}
    id_ = request.cookies.get(_VISITOR) or secrets.token_urlsafe(32)
    known = {"csrf": site(request).csrf.token(id_), "who": None, "note": None, "path": request.url.path}
    response = HTMLResponse(render("sign_in.html", form=form, **known), status)
    _set(request, response, _VISITOR, id_)
    return response


def _set(request: Request, response: Response, name: str, value: str) -> None:
    """Secure where the browser came by TLS, which ends at the gateway; at http://localhost it could not come back."""
    secure = request.headers.get("x-forwarded-proto", request.url.scheme) == "https"
    response.set_cookie(name, value, path=BASE, httponly=True, samesite="strict", secure=secure)
