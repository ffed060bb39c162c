"""A token of the identity service and its key → what it claims."""

from __future__ import annotations

from typing import Any

import jwt

ISSUER, AUDIENCE = "https://identity.inference-in-a-box", "inference-in-a-box"


def kid(token: str) -> str:
    """By which key it says it is signed; raises jwt.PyJWTError."""
    return str(jwt.get_unverified_header(token).get("kid", ""))


def claims(token: str, key: Any) -> dict[str, Any]:
    """Raises jwt.PyJWTError for one that is not good, or not good any more."""
    found: dict[str, Any] = jwt.decode(
        token, key, ["RS256"], audience=AUDIENCE, issuer=ISSUER, options={"require": ["exp", "iat", "sub"]}
    )
    return found
