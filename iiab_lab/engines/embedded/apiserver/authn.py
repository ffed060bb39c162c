"""A bearer token → who is asking. The admin's token is known by its hash; a service account's is a JWT we signed."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jwt

from ....errors import ApiError
from ..objects.kinds import SERVICE_ACCOUNT, Key

ISSUER = "https://kubernetes.default.svc"


@dataclass(frozen=True)
class User:
    name: str
    groups: frozenset[str]


ADMIN = User("kubernetes-admin", frozenset({"system:masters", "system:authenticated"}))
ANONYMOUS = User("system:anonymous", frozenset({"system:unauthenticated"}))


class Tokens:
    """Signs and verifies service account tokens (ES256); each is bound to the account's uid."""

    def __init__(self, private_key: Any, read: Callable[..., Any]) -> None:
        self._key, self._public, self._read = private_key, private_key.public_key(), read

    def issue(self, namespace: str, name: str, seconds: int, audience: str = ISSUER) -> str:
        account = self._read(SERVICE_ACCOUNT, Key(namespace, name))
        if account is None:
            raise ApiError(
                404, "NotFound", f'serviceaccounts "{name}" not found', f"iiab kubectl get sa -n {namespace}"
            )
        now = int(time.time())
        claims = {
            "iss": ISSUER,
            "aud": [audience],
            "sub": f"system:serviceaccount:{namespace}:{name}",
            "iat": now,
            "nbf": now,
            "exp": now + seconds,
            "kubernetes.io": {
                "namespace": namespace,
                "serviceaccount": {"name": name, "uid": account["metadata"]["uid"]},
            },
        }
        return jwt.encode(claims, self._key, "ES256")

    def verify(self, token: str) -> User:
        try:
            claims = jwt.decode(token, self._public, ["ES256"], audience=ISSUER, issuer=ISSUER)
            bound = claims["kubernetes.io"]
            namespace, account = bound["namespace"], bound["serviceaccount"]
        except (jwt.PyJWTError, KeyError, TypeError) as error:
            raise unauthorized() from error
        stored = self._read(SERVICE_ACCOUNT, Key(namespace, account["name"]))
        if stored is None or stored["metadata"]["uid"] != account["uid"]:
            raise unauthorized()
        groups = {"system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated"}
        return User(claims["sub"], frozenset(groups))


class Authenticator:
    def __init__(self, admin_token: str, tokens: Tokens) -> None:
        self._admin = hashlib.sha256(admin_token.encode()).digest()
        self.tokens = tokens

    def __call__(self, authorization: str) -> User:
        """The value of the Authorization header, or "" → the user; raises 401 for a token that is not ours."""
        if not authorization:
            return ANONYMOUS
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer":
            raise unauthorized()
        if hmac.compare_digest(hashlib.sha256(token.encode()).digest(), self._admin):
            return ADMIN
        return self.tokens.verify(token)


def unauthorized() -> ApiError:
    return ApiError(401, "Unauthorized", "Unauthorized", "use the kubeconfig that `iiab status` names")
