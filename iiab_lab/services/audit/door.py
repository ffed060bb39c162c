"""HTTP ⇄ the stream: /metrics for Prometheus, /requests for a tenant, /stream and /verdict for the admin, each by a token of its own.

The service has no account to ask the API with: the keys of tokens come as mounted files. A tenant is named as its namespace is.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs
from wsgiref.util import FileWrapper

import jwt
import orjson
from prometheus_client import CollectorRegistry, make_wsgi_app

from .. import tokens
from . import copies, own
from .record import ALLOWED, DENIED, ERROR
from .verify import verify

_DECISIONS = ("", ALLOWED, DENIED, ERROR)
_WORDS = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found"}
_ADMIN = "admin"
Body = tuple[int, str, Iterable[bytes]]


class Door:
    """A WSGI application. `keys` is the folder of the identity service's key sets, `seal` the key of the stream's head."""

    def __init__(self, stream: Path, seal: bytes, keys: Path, registry: CollectorRegistry) -> None:
        self._stream, self._seal, self._keys = stream, seal, keys
        self._metrics = make_wsgi_app(registry)
        self._reading = threading.Lock()  # one after the other: the stream goes on being written meanwhile
        self._pages = {"/requests": self._requests, "/stream": self._copy, "/verdict": self._verdict}

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/metrics":
            return self._metrics(environ, start_response)
        status, kind, body = self._answer(environ)
        start_response(f"{status} {_WORDS[status]}", [("Content-Type", kind), ("Cache-Control", "no-store")])
        return body

    def _answer(self, environ: dict[str, Any]) -> Body:
        page = self._pages.get(environ["PATH_INFO"])
        if page is None:
            return _refused(404, "There is no such page", f"one of: {', '.join(self._pages)}")
        try:
            claims = self._claims(environ.get("HTTP_AUTHORIZATION", ""))
        except (jwt.PyJWTError, ValueError, KeyError, OSError) as error:
            return _refused(401, "No token that is good", f"{error}; get one: iiab token TENANT")
        asked = {name: values[0] for name, values in parse_qs(environ.get("QUERY_STRING", "")).items()}
        with self._reading:
            return page(claims, asked)

    def _requests(self, claims: Mapping[str, Any], asked: Mapping[str, str]) -> Body:
        tenant = tokens.tenant_of(claims)
        if not tenant or claims.get("tenant") != tenant:
            return _refused(401, "No token of a tenant", "the admin's is for /stream; get one: iiab token TENANT")
        limit, decision = asked.get("limit", "100"), asked.get("decision", "")
        if not (limit.isdecimal() and 0 < int(limit) <= own.MOST):
            return _refused(400, "limit is no number that is served", f"at least 1, at most {own.MOST}")
        if decision not in _DECISIONS:
            return _refused(400, "no decision is called so", f"one of: {', '.join(filter(None, _DECISIONS))}")
        found = own.rows(self._stream, tenant, int(limit), decision, asked.get("request_id", ""))
        return _said({"requests": found, "total": len(found)})

    def _copy(self, claims: Mapping[str, Any], _: Mapping[str, str]) -> Body:
        """The key of its seal stays here: /verdict tells whether the head is as it was sealed."""
        if not _is_admin(claims):
            return _not_the_admin()
        return 200, "application/gzip", FileWrapper(copies.packed(self._stream), 1 << 16)

    def _verdict(self, claims: Mapping[str, Any], _: Mapping[str, str]) -> Body:
        return _said(vars(verify(self._stream, self._seal))) if _is_admin(claims) else _not_the_admin()

    def _claims(self, authorization: str) -> dict[str, Any]:
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer":
            raise ValueError("send: Authorization: Bearer TOKEN")
        return tokens.verified(token, self._key)

    def _key(self, tenant: str, kid: str) -> jwt.PyJWK:
        """The files are followed by whoever mounts them; they are small, and read for each request."""
        sets = {file.name: file.read_text() for file in self._keys.glob("*jwks")}
        return tokens.keys(sets)[tenant, kid]


def _is_admin(claims: Mapping[str, Any]) -> bool:
    return not tokens.tenant_of(claims) and _ADMIN in (claims.get("roles") or ())


def _said(what: Mapping[str, Any], status: int = 200) -> Body:
    return status, "application/json", [orjson.dumps(what)]


def _not_the_admin() -> Body:
    return _refused(403, "The whole stream is the admin's", "a tenant's own part: /requests")


def _refused(status: int, error: str, details: str) -> Body:
    return _said({"error": error, "details": details}, status)
