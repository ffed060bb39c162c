"""A token and the keys of its issuer → what it claims. A tenant's issuer speaks for no other tenant, and none of them for the admin."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import jwt

ISSUER, AUDIENCE = "https://identity.inference-in-a-box", "inference-in-a-box"
_TENANTS = f"{ISSUER}/tenants/"

Keys = dict[tuple[str, str], jwt.PyJWK]  # by issuer's tenant, "" for the platform's own, and key id


def verified(token: str, key: Callable[[str, str], Any]) -> dict[str, Any]:
    """`key` finds a key by its issuer's tenant and its id. Raises jwt.PyJWTError, and ValueError."""
    said = jwt.decode(token, options={"verify_signature": False})
    found = key(tenant_of(said), str(jwt.get_unverified_header(token).get("kid", "")))
    claims: dict[str, Any] = jwt.decode(
        token, found, ["RS256"], audience=AUDIENCE, issuer=said["iss"], options={"require": ["exp", "iat", "sub"]}
    )
    return claims


def tenant_of(claims: Mapping[str, Any]) -> str:
    """Whose issuer a token names; "" for the platform's own. Raises InvalidIssuerError for anybody else's."""
    issuer = claims.get("iss")
    if issuer == ISSUER:
        return ""
    if not isinstance(issuer, str) or not issuer.startswith(_TENANTS) or issuer == _TENANTS:
        raise jwt.InvalidIssuerError("Invalid issuer")
    return issuer.removeprefix(_TENANTS)


def keys(sets: Mapping[str, str]) -> Keys:
    """Of the identity service's key sets together: `jwks` is the platform's, `TENANT.jwks` a tenant's."""
    return {
        (name.removesuffix("jwks").removesuffix("."), key["kid"]): jwt.PyJWK(key)
        for name, text in sets.items()
        for key in json.loads(text)["keys"]
    }
