"""A request's bearer token → who calls: the admin or one tenant, by its issuer's signature alone.

A tenant's issuer speaks for no other tenant, and none of them for the admin. Nothing in a body, a path or a header changes who it is. A tenant has one namespace: the one labelled with its name.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import Any

import jwt
from fastapi import Request

from .. import tokens
from ..tokens import tenant_of
from .errors import Refused
from .platform import CONFIG_MAP, NAMESPACE, Object, Platform

LABEL = "iiab.lab/tenant"
_KEYS = ("identity-jwks", "identity")
_FRESH = 10.0  # seconds for which the identity service lets a key set be remembered


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
        self._keys: tokens.Keys = {}
        self._until = 0.0

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
        roles, tenant = claims.get("roles") or [], tenant_of(claims)
        if not tenant and "admin" in roles:
            return Caller(str(claims["sub"]), "", "", token, claims)
        if not tenant or claims.get("tenant") != tenant:
            raise Refused(403, "Invalid token", "it is of no tenant, or of another than its issuer's")
        return Caller(str(claims["sub"]), tenant, self.namespace(tenant), token, claims)

    def verify(self, token: str) -> Object:
        try:
            return self._verified(token)
        except (jwt.PyJWTError, ValueError) as error:
            raise Refused(403, "Invalid token", f"{error}; get a new one: iiab token TENANT") from error

    def _verified(self, token: str) -> Object:
        """A tenant that came after another of its name has a new key under an id that was known."""
        try:
            return tokens.verified(token, self._key)
        except jwt.InvalidSignatureError:
            self._until = 0.0
            return tokens.verified(token, self._key)

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
            if (tenant, kid) not in self._keys or time.monotonic() > self._until:
                self._until = time.monotonic() + _FRESH
                self._keys = tokens.keys((self._platform.get(CONFIG_MAP, *_KEYS) or {}).get("data") or {})
            if (tenant, kid) not in self._keys:
                raise jwt.InvalidTokenError("it is signed with no key of its issuer")
            return self._keys[tenant, kid].key
