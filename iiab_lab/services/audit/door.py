"""HTTP ⇄ the stream: /metrics for Prometheus, /requests for a tenant, who is told its own by its own token.

The service has no account to ask the API with: the keys of tokens come as mounted files. A tenant is named as its namespace is.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import jwt
import orjson
from prometheus_client import CollectorRegistry, make_wsgi_app

from .. import tokens
from . import own
from .record import ALLOWED, DENIED, ERROR

_DECISIONS = ("", ALLOWED, DENIED, ERROR)


class Door:
    """A WSGI application. `keys` is the folder of the identity service's key sets."""

    def __init__(self, stream: Path, keys: Path, registry: CollectorRegistry) -> None:
        self._stream, self._keys, self._metrics = stream, keys, make_wsgi_app(registry)
        self._reading = threading.Lock()  # one after the other: the stream goes on being written meanwhile

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/metrics":
            return self._metrics(environ, start_response)
        status, body = self._answer(environ) if environ["PATH_INFO"] == "/requests" else _refused(404, "/requests", "")
        headers = [("Content-Type", "application/json"), ("Cache-Control", "no-store")]
        start_response(status, headers)
        return [body]

    def _answer(self, environ: dict[str, Any]) -> tuple[str, bytes]:
        try:
            tenant = self._tenant(environ.get("HTTP_AUTHORIZATION", ""))
        except (jwt.PyJWTError, ValueError, KeyError, OSError) as error:
            return _refused(401, "No token of a tenant that is good", f"{error}; get one: iiab token TENANT")
        asked = {name: values[0] for name, values in parse_qs(environ.get("QUERY_STRING", "")).items()}
        limit, decision = asked.get("limit", "100"), asked.get("decision", "")
        if not (limit.isdecimal() and 0 < int(limit) <= own.MOST):
            return _refused(400, "limit is no number that is served", f"at least 1, at most {own.MOST}")
        if decision not in _DECISIONS:
            return _refused(400, "no decision is called so", f"one of: {', '.join(filter(None, _DECISIONS))}")
        with self._reading:
            found = own.rows(self._stream, tenant, int(limit), decision, asked.get("request_id", ""))
        return "200 OK", orjson.dumps({"requests": found, "total": len(found)})

    def _tenant(self, authorization: str) -> str:
        """The admin reads the whole stream where it lies; here each reads its own."""
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer":
            raise ValueError("send: Authorization: Bearer TOKEN")
        claims = tokens.verified(token, self._key)
        tenant = tokens.tenant_of(claims)
        if not tenant or claims.get("tenant") != tenant:
            raise ValueError("it is of no tenant, or of another than its issuer's")
        return tenant

    def _key(self, tenant: str, kid: str) -> jwt.PyJWK:
        """The files are followed by whoever mounts them; they are small, and read for each request."""
        sets = {file.name: file.read_text() for file in self._keys.glob("*jwks")}
        return tokens.keys(sets)[tenant, kid]


def _refused(status: int, error: str, details: str) -> tuple[str, bytes]:
    words = {400: "Bad Request", 401: "Unauthorized", 404: "Not Found"}
    return f"{status} {words[status]}", orjson.dumps({"error": error, "details": details})
