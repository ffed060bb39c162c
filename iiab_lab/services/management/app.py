"""The application: routes, one form for every error, headers of caution, an OpenAPI document that says what is answered."""

from __future__ import annotations

import logging
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse, RedirectResponse
from prometheus_client import Counter, generate_latest
from pydantic import ValidationError
from starlette.exceptions import HTTPException

from .errors import Refused
from .routes import admin, models, own, publishing, session, uploads
from .routes.common import RESPONSES, Lab
from .services import Services
from .web.site import site

log = logging.getLogger(__name__)
_MOST = 1 << 20
_CAUTION = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
requests = Counter("management_requests", "Requests by route and code.", ["method", "route", "code"])


def application(services: Services) -> FastAPI:
    app = FastAPI(title="Management service", version="1", responses=RESPONSES, docs_url=None, redoc_url=None)
    app.state.services = services
    for part in (session, models, uploads, publishing, own, admin):
        app.include_router(part.router)

    @app.get("/metrics", include_in_schema=False)
    def metrics() -> Response:
        return Response(generate_latest(), media_type="text/plain; version=0.0.4")

    @app.get("/ca.crt", response_class=PlainTextResponse, tags=["health"])
    def authority(lab: Lab) -> str:
        """The lab's CA, for `curl --cacert`."""
        return lab.edge.authority()

    @app.get("/", include_in_schema=False)
    def home() -> Response:
        return RedirectResponse("/ui/models", 303)

    app.mount("/ui", site(services))
    app.middleware("http")(_guarded)
    for kind, handle in _HANDLERS.items():
        app.add_exception_handler(kind, handle)
    app.openapi = lambda: _document(app)  # type: ignore[method-assign]
    return app


async def _guarded(request: Request, call_next: Any) -> Response:
    declared = request.headers.get("content-length", "0")
    most = _most(request)
    if not declared.isdecimal() or int(declared) > most or "transfer-encoding" in request.headers:
        response: Response = _answer(
            Refused(413, "The body is too large", f"at most {most} bytes, with a Content-Length")
        )
    else:
        response = await call_next(request)
    route = getattr(request.scope.get("route"), "path", "-")
    requests.labels(request.method, route, str(response.status_code)).inc()
    for name, value in _CAUTION.items():  # pages say some of it otherwise
        response.headers.setdefault(name, value)
    return response


def _most(request: Request) -> int:
    """An upload is streamed to the registry's volume and may be as large as that allows, and its form around it."""
    services: Services = request.app.state.services
    path = request.url.path
    large = path == "/ui/models/upload" or uploads.PATH.fullmatch(path)
    return services.registry.limits.upload + _MOST if large else _MOST


def _answer(refused: Refused) -> JSONResponse:
    return JSONResponse(refused.body(), refused.status, refused.headers)


async def _refused(_: Request, error: Any) -> Response:
    return _answer(error)


async def _invalid(_: Request, error: Any) -> Response:
    causes = (f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()[:20])
    return _answer(Refused(400, "Invalid request format", "; ".join(causes)))


async def _http(request: Request, error: Any) -> Response:
    unknown = error.status_code == 404
    return _answer(Refused(error.status_code, "API endpoint not found" if unknown else str(error.detail)))


async def _failed(request: Request, error: Any) -> Response:
    log.error("request failed: %s %s", request.method, request.url.path, exc_info=error)
    return _answer(
        Refused(500, "The management service failed", "look at its log: kubectl logs deploy/management-service")
    )


_HANDLERS: dict[Any, Any] = {
    Refused: _refused,
    RequestValidationError: _invalid,
    ValidationError: _invalid,
    HTTPException: _http,
    Exception: _failed,
}


def _document(app: FastAPI) -> dict[str, Any]:
    """FastAPI's, without the 422 it promises and we never answer."""
    if app.openapi_schema is None:
        made = FastAPI.openapi(app)
        for path in made["paths"].values():
            for operation in path.values():
                operation["responses"].pop("422", None)
        app.openapi_schema = made
    return app.openapi_schema
