"""Who one is: sign-in, the caller's tenant, tenants' tokens, and whether an API key opens something."""

from __future__ import annotations

import base64
import hmac
import time
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Request, Response
from limits import RateLimitItemPerMinute
from pydantic import BaseModel

from ..callers import Caller
from ..errors import Refused
from ..platform import SECRET
from ..predict import SECRET as CLIENT
from .common import Admin, Lab, Who

router = APIRouter(tags=["session"])
_TRIES = RateLimitItemPerMinute(600)


class LoginBody(BaseModel):
    username: str
    password: str


@router.get("/health", tags=["health"])
def health() -> dict[str, str]:
    return {"status": "healthy", "timestamp": datetime.now(UTC).isoformat(timespec="seconds")}


@router.post("/api/admin/login")
def login(body: LoginBody, lab: Lab) -> dict[str, Any]:
    token = lab.login(body.username, body.password)
    return {"token": token, "user": _user(lab.callers.of(token))}


@router.get("/api/tenant")
def tenant(who: Who) -> dict[str, Any]:
    claims = who.claims
    expires = datetime.fromtimestamp(claims["exp"], UTC).isoformat(timespec="seconds")
    said = {"tenant": who.tenant or "admin", "user": who.name, "issuer": claims["iss"], "audience": claims["aud"]}
    return said | {"expiresAt": expires, "namespace": who.namespace}


@router.get("/api/tokens")
def tokens(who: Admin, lab: Lab) -> dict[str, dict[str, str]]:
    """A token for each tenant; the admin's to ask for."""
    return {"tokens": {name: lab.edge.token(CLIENT, space) for name, space in lab.callers.tenants().items()}}


@router.post("/api/validate-api-key")
def validate_api_key(request: Request, response: Response, lab: Lab) -> dict[str, Any]:
    """Which model a key opens, by its header: X-API-Key or a bearer token."""
    if not lab.attempts.hit(_TRIES, "validate"):
        raise Refused(429, "Too many attempts", "try again in a minute", {"Retry-After": "60"})
    given = request.headers.get("x-api-key") or request.headers.get("authorization", "").removeprefix("Bearer ")
    if not given:
        raise Refused(401, "API key required", "send it as X-API-Key")
    for namespace in lab.callers.tenants().values():
        for publication in lab.publisher.within(namespace):
            for key in publication.keys:
                if _opens(lab, key, namespace, given):
                    said = {"X-Tenant-ID": publication.tenant, "X-Model-Name": publication.model}
                    response.headers.update(said | {"X-Model-Type": publication.type})
                    return {"valid": True, "tenant": publication.tenant, "model": publication.model, "keyId": key.id}
    raise Refused(401, "Invalid API key", "it is wrong, revoked or expired")


def _opens(lab: Lab, key: Any, namespace: str, given: str) -> bool:
    if key.expires and datetime.fromisoformat(key.expires).timestamp() <= time.time():
        return False
    data = (lab.platform.get(SECRET, key.secret, namespace) or {}).get("data") or {}
    return hmac.compare_digest(base64.b64decode(data.get(key.id, "")), given.encode())


def _user(who: Caller) -> dict[str, Any]:
    claims = who.claims
    said = {"tenant": who.tenant or "admin", "name": who.name, "sub": claims["sub"], "iss": claims["iss"]}
    return said | {"aud": claims["aud"], "isAdmin": who.is_admin, "exp": claims["exp"]}
