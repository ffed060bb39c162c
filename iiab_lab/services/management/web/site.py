"""The application mounted at /ui: pages, static files, a strict policy on every answer, errors a person can read."""

from __future__ import annotations

import logging
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException

from ..errors import Refused
from ..services import Services
from . import pages_admin, pages_keys, pages_models, pages_publish, pages_session, pages_uploads, pages_usage
from .csrf import Csrf
from .rendering import STATIC, render
from .session import Sessions
from .visit import NotSignedIn, Site, to

log = logging.getLogger(__name__)
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    # Under no-referrer browsers say `Origin: null`, and a form of ours could not be told from another site's.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
_FOR_EVER = "public, max-age=31536000, immutable"  # the address of a static file changes with its contents
_HINTS = {404: "Look at the address, or start again from the models.", 405: "Go back and use the page’s own buttons."}


def site(services: Services) -> FastAPI:
    made = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    made.state.site = Site(services, Sessions(), Csrf())
    for part in (pages_session, pages_uploads, pages_models, pages_publish, pages_keys, pages_usage, pages_admin):
        made.include_router(part.router)
    made.mount("/static", StaticFiles(directory=STATIC))
    made.middleware("http")(_guarded)
    for kind, handle in _HANDLERS.items():
        made.add_exception_handler(kind, handle)
    return made


async def _guarded(request: Request, call_next: Any) -> Response:
    try:
        response: Response = await call_next(request)
    except Exception as error:  # whatever it is, a person reads the answer
        log.error("page failed: %s %s", request.method, request.url.path, exc_info=error)
        why = "Look at its log: kubectl logs deploy/management-service"
        response = _error(request, Refused(500, "The management service failed", why))
    response.headers.update(_HEADERS)
    if request.url.path.startswith("/ui/static/") and response.status_code < 400:
        response.headers["Cache-Control"] = _FOR_EVER
    return response


def _error(request: Request, refused: Refused) -> HTMLResponse:
    visit = getattr(request.state, "visit", None)
    csrf = visit.site.csrf.token(visit.session.id) if visit else ""
    known = {"who": visit and visit.who, "csrf": csrf, "note": None, "path": request.url.path}
    return HTMLResponse(render("error.html", refused=refused, **known), refused.status, refused.headers)


async def _refused(request: Request, error: Any) -> Response:
    return _error(request, error)


async def _http(request: Request, error: Any) -> Response:
    said = {404: "There is no such page", 405: "This page takes no such request"}.get(
        error.status_code, str(error.detail)
    )
    return _error(request, Refused(error.status_code, said, _HINTS.get(error.status_code, "")))


async def _invalid(request: Request, error: Any) -> Response:
    causes = (f"{one['loc'][-1]}: {one['msg']}" for one in error.errors()[:20])
    return _error(request, Refused(400, "The request is not valid", "; ".join(causes)))


async def _sign_in(request: Request, error: Any) -> Response:
    wanted = request.url.path if request.method == "GET" else ""
    query = {"next": wanted} if wanted.startswith("/ui/") and wanted != "/ui/" else {}
    return to("sign-in", **query, **({"why": "ended"} if error.ended else {}))


_HANDLERS: dict[Any, Any] = {
    Refused: _refused,
    NotSignedIn: _sign_in,
    HTTPException: _http,
    RequestValidationError: _invalid,
}
