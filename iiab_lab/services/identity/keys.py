"""A Secret of this service's namespace → the keys that sign tokens, and the key set that verifies them (RFC 7517).

The Secret holds one PEM per key id. It outlives the service, so a restart invalidates no token.
"""

from __future__ import annotations

import base64
import json
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from kubernetes.client import ApiException

SECRET = "identity-signing-keys"  # noqa: S105 - a name
_SUFFIX = ".pem"


class KeyRing:
    """RS256 keys by id; the greatest id signs."""

    def __init__(self, keys: dict[str, rsa.RSAPrivateKey]) -> None:
        self._keys = keys

    @classmethod
    def open(cls, core: Any, namespace: str) -> KeyRing:
        """Reads the Secret, or makes it with a first key; two that start at once end up with the same."""
        try:
            secret = core.read_namespaced_secret(SECRET, namespace)
        except ApiException as error:
            if error.status != 404:
                raise
            secret = _create(core, namespace)
        pems = {name.removesuffix(_SUFFIX): base64.b64decode(value) for name, value in secret.data.items()}
        return cls({kid: serialization.load_pem_private_key(pem, None) for kid, pem in pems.items()})  # type: ignore[misc]

    def sign(self, claims: dict[str, Any]) -> str:
        kid = max(self._keys)
        return jwt.encode(claims, self._keys[kid], "RS256", headers={"kid": kid, "typ": "at+jwt"})

    def jwks(self) -> dict[str, Any]:
        """Public halves only."""
        return {"keys": [_public(kid, key) for kid, key in sorted(self._keys.items())]}


def _create(core: Any, namespace: str) -> Any:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    body = {"metadata": {"name": SECRET}, "stringData": {f"key-0001{_SUFFIX}": pem}}
    try:
        return core.create_namespaced_secret(namespace, body)
    except ApiException as error:
        if error.status != 409:
            raise
        return core.read_namespaced_secret(SECRET, namespace)


def _public(kid: str, key: rsa.RSAPrivateKey) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key()))
    return {"kid": kid, "use": "sig", "alg": "RS256", **{name: made[name] for name in ("kty", "n", "e")}}
