"""A JSON Web Key Set (RFC 7517) → what is wrong with it; "" where a proxy can verify by at least one of its keys.

Envoy refuses a whole configuration for a set without one, and passes over single keys that it does not understand.
"""

from __future__ import annotations

import json
import re
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

_TEXT = re.compile(r"[A-Za-z0-9_-]+")  # base64url without padding
_PARTS = {"RSA": ("n", "e"), "EC": ("x", "y"), "OKP": ("x",), "oct": ("k",)}
_CURVES = {"P-256": "ES256", "P-384": "ES384", "P-521": "ES512"}
_BITS, _EXPONENT = range(1024, 8193), 2**33


def problem(text: str) -> str:
    try:
        given = json.loads(text, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        return f"jwks parse error: {error or 'too deep'}"
    keys = given.get("keys") if isinstance(given, dict) else None
    if not isinstance(keys, list):
        return 'jwks parse error: no JSON Web Key Set → {"keys": [{"kty": …}]}'
    if not any(isinstance(key, dict) and _verifies(key) for key in keys):
        return "jwks parse error: none of its keys can verify a token → an RSA, EC or Ed25519 key, in public"
    return ""


def _no_number(text: str) -> Any:
    raise ValueError(f"{text} is no JSON")


def _verifies(key: dict[str, Any]) -> bool:
    kind, alg = key.get("kty"), key.get("alg")
    parts = [key.get(name) for name in _PARTS.get(str(kind), ("",))]
    if not all(isinstance(part, str) and _TEXT.fullmatch(part) for part in parts):
        return False
    if kind == "EC":
        fits = key.get("crv") in _CURVES and alg in (None, _CURVES[key["crv"]])
    elif kind == "RSA":
        fits = alg in (None, *(f"{family}{size}" for family in ("RS", "PS") for size in (256, 384, 512)))
    else:
        fits = kind == "oct" or key.get("crv") == "Ed25519"
    return fits and _loads(key)


def _loads(key: dict[str, Any]) -> bool:
    try:
        made = jwt.algorithms.get_default_algorithms()[_ALGORITHM[key["kty"]]].from_jwk(_public(key))
    except (jwt.PyJWTError, ValueError, TypeError):
        return False
    if isinstance(made, RSAPublicKey):
        exponent = made.public_numbers().e
        return made.key_size in _BITS and exponent % 2 == 1 and 1 < exponent < _EXPONENT
    return True


_ALGORITHM = {"RSA": "RS256", "EC": "ES256", "OKP": "EdDSA", "oct": "HS256"}


def _public(key: dict[str, Any]) -> dict[str, Any]:
    """Envoy looks at nothing private."""
    return {name: key[name] for name in ("kty", "crv", *_PARTS[key["kty"]]) if name in key}
