"""A request's bearer token → who calls: the admin or one tenant, by its issuer's signature alone.

A tenant's issuer speaks for no other tenant, and none of them for the admin. Nothing in a body, a path or a header changes who it is. A tenant has one namespace: the one labelled with its name.
"""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass
from typing import Any

import jwt
from fastapi import Request

from .errors import Refused
from .platform import CONFIG_MAP, NAMESPACE, Object, Platform

ISSUER, AUDIENCE, LABEL = "https://identity.inference-in-a-box", "inference-in-a-box", "iiab.lab/tenant"
_KEYS, _TENANTS = ("identity-jwks", "identity"), f"{ISSUER}/tenants/"


@dataclass(frozen=True)
class Caller:
    """`tenant` and `namespace` are "" for the admin, who may name any tenant's."""

    name: str
    tenant: str
    namespace: str
    token: str
    claims: Object

    @property
    def is_admin(self) -> bool:
        return not self.tenant


class Callers:
    def __init__(self, platform: Platform) -> None:
        self._platform, self._lock = platform, threading.Lock()
        self._keys: dict[tuple[str, str], jwt.PyJWK] = {}  # by issuer's tenant and key id

    def identify(self, request: Request) -> Caller:
        """Raises 401 without a token, 403 with one that is not good: the original's codes."""
        header = request.headers.get("authorization", "")
        if not header:
            raise Refused(401, "Access token required", "send: Authorization: Bearer TOKEN")
        scheme, _, token = header.partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise Refused(401, "Invalid authorization format", "send: Authorization: Bearer TOKEN")
        return self.of(token)

    def of(self, token: str) -> Caller:
        claims = self.verify(token)
        roles, tenant = claims.get("roles") or [], _tenant(claims)
        if not tenant and "admin" in roles:
            return Caller(str(claims["sub"]), "", "", token, claims)
        if not tenant or claims.get("tenant") != tenant:
            raise Refused(403, "Invalid token", "it is of no tenant, or of another than its issuer's")
        return Caller(str(claims["sub"]), tenant, self.namespace(tenant), token, claims)

    def verify(self, token: str) -> Object:
        try:
            said: Object = jwt.decode(token, options={"verify_signature": False})
            key = self._key(_tenant(said), str(jwt.get_unverified_header(token).get("kid", "")))
            claims: Object = jwt.decode(
                token, key, ["RS256"], audience=AUDIENCE, issuer=said["iss"], options={"require": ["exp", "iat", "sub"]}
            )
        except (jwt.PyJWTError, ValueError) as error:
            raise Refused(403, "Invalid token", f"{error}; get a new one: iiab token TENANT") from error
        return claims

    def namespace(self, tenant: str) -> str:
        """Raises 404 for a tenant there is not."""
        found = self.tenants().get(tenant)
        if not found:
            raise Refused(404, f"There is no tenant {tenant}", "see GET /api/admin/tenants")
        return found

    def tenants(self) -> dict[str, str]:
        """tenant → its namespace."""
        listed = self._platform.list(NAMESPACE, labels=LABEL)
        return {item["metadata"]["labels"][LABEL]: item["metadata"]["name"] for item in listed}

    def _key(self, tenant: str, kid: str) -> Any:
        """A key that is not known yet may be new: the sets are read again."""
        with self._lock:
            if (tenant, kid) not in self._keys:
                data = (self._platform.get(CONFIG_MAP, *_KEYS) or {}).get("data") or {}
                self._keys = {
                    (name.removesuffix("jwks").removesuffix("."), key["kid"]): jwt.PyJWK(key)
                    for name, text in data.items()
                    for key in json.loads(text)["keys"]
                }
            if (tenant, kid) not in self._keys:
                raise jwt.InvalidTokenError("it is signed with no key of its issuer")
            return self._keys[tenant, kid].key


def _tenant(claims: Object) -> str:
    """Whose issuer a token names; "" for the platform's own. Raises InvalidIssuerError for anybody else's."""
    issuer = claims.get("iss")
    if issuer == ISSUER:
        return ""
    if not isinstance(issuer, str) or not issuer.startswith(_TENANTS) or issuer == _TENANTS:
        raise jwt.InvalidIssuerError("Invalid issuer")
    return issuer.removeprefix(_TENANTS)
