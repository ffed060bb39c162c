"""A genuine token and the key that signed it → tokens that are wrong in one thing each. Pure: nothing is sent, nothing is read.

RFC 8725 lists what verifiers got wrong before; each function here makes one such token, so that the platform's can be tried.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

Claims = Mapping[str, Any]


class Signer(NamedTuple):
    """An RSA key and the key id under which it is known."""

    kid: str
    key: rsa.RSAPrivateKey

    @property
    def public_pem(self) -> bytes:
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        return self.key.public_key().public_bytes(serialization.Encoding.PEM, form)

    @property
    def jwk(self) -> dict[str, str]:
        numbers = self.key.public_key().public_numbers()
        n, e = (_b64(value.to_bytes((value.bit_length() + 7) // 8, "big")) for value in (numbers.n, numbers.e))
        return {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": self.kid, "n": n, "e": e}


def signer(kid: str, pem: bytes) -> Signer:
    key = serialization.load_pem_private_key(pem, None)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise TypeError(f"{kid} is no RSA key")
    return Signer(kid, key)


def stranger(kid: str) -> Signer:
    """A fresh key of nobody's, under any key id."""
    return Signer(kid, rsa.generate_private_key(public_exponent=65537, key_size=2048))


def signed(by: Signer, claims: Claims | str, **header: Any) -> str:
    """RS256, with a header as given over the usual one (None leaves a field out); `claims` as text go in as they are."""
    usual = {"alg": "RS256", "typ": "JWT", "kid": by.kid} | header
    content = _content({name: value for name, value in usual.items() if value is not None}, claims)
    return f"{content}.{_b64(by.key.sign(content.encode(), padding.PKCS1v15(), hashes.SHA256()))}"


def unsigned(claims: Claims, alg: str, kid: str, signature: str = "") -> str:
    """`alg` none, in whatever spelling; RFC 8725 §2.1."""
    return f"{_content({'alg': alg, 'typ': 'JWT', 'kid': kid}, claims)}.{signature}"


def by_secret(claims: Claims, secret: bytes, alg: str = "HS256", **header: Any) -> str:
    """Signed with a secret: with our public key as the secret, the confusion of RFC 8725 §2.1."""
    digest = {"HS256": hashlib.sha256, "HS384": hashlib.sha384, "HS512": hashlib.sha512}[alg]
    content = _content({"alg": alg, "typ": "JWT"} | header, claims)
    return f"{content}.{_b64(hmac.new(secret, content.encode(), digest).digest())}"


def stripped(token: str) -> str:
    """Without its signature."""
    return token.rpartition(".")[0] + "."


def flipped(token: str, part: int, bit: int = 0) -> str:
    """One bit of one of its three parts (0, 1, 2) turned over, in the middle of the decoded bytes."""
    parts = token.split(".")
    content = bytearray(unpadded(parts[part]))
    content[len(content) // 2] ^= 1 << bit
    parts[part] = _b64(bytes(content))
    return ".".join(parts)


def changed(token: str, **claims: Any) -> str:
    """Other claims under the old signature."""
    head, payload, signature = token.split(".")
    return f"{head}.{_json(json.loads(unpadded(payload)) | claims)}.{signature}"


def without(claims: Claims, *names: str) -> dict[str, Any]:
    return {name: value for name, value in claims.items() if name not in names}


def twice(claims: Claims, name: str, first: Any) -> str:
    """JSON in which one claim stands twice: first this value, at the end the genuine one; RFC 7519 §4."""
    text = json.dumps(without(claims, name))
    return f"{{{json.dumps(name)}: {json.dumps(first)}, {text[1:-1]}, {json.dumps(name)}: {json.dumps(claims[name])}}}"


def unpadded(part: str) -> bytes:
    """A part's bytes; base64url without padding, RFC 7515 §2."""
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def _content(header: Mapping[str, Any], claims: Claims | str) -> str:
    return f"{_json(header)}.{_b64(claims.encode()) if isinstance(claims, str) else _json(claims)}"


def _json(value: Any) -> str:
    return _b64(json.dumps(value, separators=(",", ":")).encode())


def _b64(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()
