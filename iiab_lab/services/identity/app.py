"""HTTP ⇄ tokens: each issuer's discovery document and key set, and POST /token."""

from __future__ import annotations

import base64
import binascii
import time
import uuid
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, unquote

from prometheus_client import Counter, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from ..audited import known_as
from .clients import TENANT, Client, Clients
from .keys import FRESH, PLATFORM, KeyRing

ISSUER, AUDIENCE, SCOPE, SECONDS = "https://identity.inference-in-a-box", "inference-in-a-box", "infer", 3600
_MAX_BODY = 16 * 1024
_CONFIGURATION, _KEYS = "/.well-known/openid-configuration", "/.well-known/jwks.json"

tokens = Counter("identity_tokens", "Answers of the token endpoint.", ["result"])


def application(keys: KeyRing, clients: Clients, now: Callable[[], float] = time.time) -> Starlette:
    async def token(request: Request) -> Response:
        body = await _body(request)
        if body is None:
            return _refuse("invalid_request", 413)
        form = {name: values[0] for name, values in parse_qs(body.decode(errors="replace")).items()}
        if form.get("grant_type") != "client_credentials":
            return _refuse("unsupported_grant_type", 400)
        client_id, client_secret = _credentials(request, form)
        client = clients.verify(client_id, client_secret)
        if client is None:
            return _refuse("invalid_client", 401)
        known_as(request, client.name, tenant_of(client))
        if not set(form.get("scope", SCOPE).split()) <= {SCOPE}:
            return _refuse("invalid_scope", 400)
        tokens.labels("issued").inc()
        signed = keys.sign(tenant_of(client), claims(client, now()))
        answer = {"access_token": signed, "token_type": "Bearer", "expires_in": SECONDS, "scope": SCOPE}
        return JSONResponse(answer, headers={"Cache-Control": "no-store"})

    async def healthz(_: Request) -> Response:
        return PlainTextResponse("ok") if clients.ready.is_set() else PlainTextResponse("starting", 503)

    async def metrics(_: Request) -> Response:
        return Response(generate_latest(), media_type="text/plain; version=0.0.4")

    return Starlette(
        routes=[
            Route("/token", token, methods=["POST"]),
            *_issuers(keys),
            Route("/healthz", healthz),
            Route("/metrics", metrics),
        ]
    )


def _issuers(keys: KeyRing) -> list[Route]:
    """What each issuer publishes, at a path of its own."""

    async def discovery(request: Request) -> Response:
        tenant = request.path_params.get("tenant", PLATFORM)
        return JSONResponse(configuration(tenant)) if keys.knows(tenant) else _unknown()

    async def jwks(request: Request) -> Response:
        tenant = request.path_params.get("tenant", PLATFORM)
        if not keys.knows(tenant):
            return _unknown()
        return JSONResponse(keys.jwks(tenant), headers={"Cache-Control": f"max-age={FRESH}"})

    documents = {_CONFIGURATION: discovery, _KEYS: jwks}
    return [
        Route(f"{issuer}{path}", answer) for path, answer in documents.items() for issuer in ("", "/tenants/{tenant}")
    ]


def issuer_of(tenant: str) -> str:
    """Each tenant has an issuer of its own: whoever trusts one believes it of no other tenant."""
    return f"{ISSUER}/tenants/{tenant}" if tenant else ISSUER


def tenant_of(client: Client) -> str:
    return client.name if client.role == TENANT else PLATFORM


def configuration(tenant: str) -> dict[str, Any]:
    """OpenID Connect Discovery 1.0, as far as a client of machines needs it."""
    return {
        "issuer": issuer_of(tenant),
        "token_endpoint": f"{ISSUER}/token",
        "jwks_uri": issuer_of(tenant) + _KEYS,
        "grant_types_supported": ["client_credentials"],
        "scopes_supported": [SCOPE],
        "response_types_supported": [],
        "id_token_signing_alg_values_supported": ["RS256"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
    }


def claims(client: Client, now: float) -> dict[str, Any]:
    """A tenant's client speaks for the tenant, the admin's for no tenant: it has a role."""
    issued = int(now)
    return {
        "iss": issuer_of(tenant_of(client)),
        "aud": AUDIENCE,
        "sub": client.name,
        "client_id": client.name,
        **({"tenant": tenant} if (tenant := tenant_of(client)) else {}),
        "roles": [client.role],
        "scope": SCOPE,
        "iat": issued,
        "nbf": issued,
        "exp": issued + SECONDS,
        "jti": str(uuid.uuid4()),
    }


def _credentials(request: Request, form: dict[str, str]) -> tuple[str, str]:
    """client_secret_basic, else client_secret_post (RFC 6749 §2.3.1)."""
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return form.get("client_id", ""), form.get("client_secret", "")
    try:
        name, _, secret = base64.b64decode(value, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return unquote(name), unquote(secret)


async def _body(request: Request) -> bytes | None:
    received = b""
    async for chunk in request.stream():
        received += chunk
        if len(received) > _MAX_BODY:
            return None
    return received


def _unknown() -> Response:
    return JSONResponse({"error": "unknown_issuer"}, 404)


def _refuse(error: str, code: int) -> Response:
    tokens.labels(error).inc()
    headers = {"WWW-Authenticate": "Basic"} if code == 401 else {}
    return JSONResponse({"error": error}, code, headers)
