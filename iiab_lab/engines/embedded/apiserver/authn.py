"""A request's credentials → who is asking: bearer token or client certificate, and whom they act for (`--as`).

The admin's token is known by its hash; a service account's is a JWT we signed, bound to the account and, where asked for, to
a Pod or Secret: it dies with them. A certificate counts if our client CA signed it: CN is the name, each O a group.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

import jwt

from ....errors import ApiError
from ..objects.kinds import POD, SECRET, SERVICE_ACCOUNT, Key
from ..objects.meta import Object

ISSUER = "https://kubernetes.default.svc"
_BOUND = {"Pod": POD, "Secret": SECRET}
_ACCOUNT = "system:serviceaccount:"


@dataclass(frozen=True)
class User:
    name: str
    groups: frozenset[str]
    uid: str = ""
    extra: Mapping[str, tuple[str, ...]] = field(default_factory=dict, hash=False)

    def info(self) -> Object:
        """The UserInfo of Kubernetes' API."""
        made: Object = {"username": self.name, "groups": sorted(self.groups)}
        made |= {"uid": self.uid} if self.uid else {}
        return made | ({"extra": {name: list(values) for name, values in self.extra.items()}} if self.extra else {})


ADMIN = User("kubernetes-admin", frozenset({"system:masters", "system:authenticated"}))
ANONYMOUS = User("system:anonymous", frozenset({"system:unauthenticated"}))


class Tokens:
    """Signs and verifies service account tokens (ES256), and knows a few others."""

    def __init__(self, private_key: Any, read: Callable[..., Any]) -> None:
        self._key, self._public, self._read = private_key, private_key.public_key(), read
        self._known: dict[bytes, User] = {}

    def issue(
        self,
        namespace: str,
        name: str,
        seconds: int,
        audiences: tuple[str, ...] = (ISSUER,),
        bound: Object | None = None,
    ) -> str:
        """`bound`: {"kind", "name", "uid"} of a Pod or Secret of the same namespace."""
        account = self._read(SERVICE_ACCOUNT, Key(namespace, name))
        if account is None:
            cure = f"iiab kubectl get sa -n {namespace}"
            raise ApiError(404, "NotFound", f'serviceaccounts "{name}" not found', cure)
        now = int(time.time())
        own: Object = {
            "namespace": namespace,
            "serviceaccount": {"name": name, "uid": account["metadata"]["uid"]},
        }
        if bound:
            own[bound["kind"].lower()] = {"name": bound["name"], "uid": self._bound_uid(namespace, name, bound)}
        claims = {
            "iss": ISSUER,
            "aud": list(audiences),
            "sub": f"{_ACCOUNT}{namespace}:{name}",
            "iat": now,
            "nbf": now,
            "exp": now + seconds,
            "kubernetes.io": own,
        }
        return jwt.encode(claims, self._key, "ES256")

    def know(self, token: str, user: User) -> None:
        """A token that is a user's for as long as the server runs."""
        self._known[_digest(token)] = user

    def verify(self, token: str, audiences: tuple[str, ...] = (ISSUER,)) -> User:
        """Raises 401 for a token that is not ours, has expired, is for others, or whose owner is gone."""
        return self.review(token, audiences)[0]

    def review(self, token: str, audiences: tuple[str, ...]) -> tuple[User, list[str]]:
        """The user, and for whom of these the token is."""
        if ISSUER in audiences and (known := self._known.get(_digest(token))):
            return known, [ISSUER]
        try:
            claims = jwt.decode(token, self._public, ["ES256"], audience=list(audiences), issuer=ISSUER)
            own = claims["kubernetes.io"]
            namespace, account = own["namespace"], own["serviceaccount"]
            self._require(SERVICE_ACCOUNT, namespace, account)
            for kind, what in _BOUND.items():
                if kind.lower() in own:
                    self._require(what, namespace, own[kind.lower()])
        except (jwt.PyJWTError, KeyError, TypeError) as error:
            raise unauthorized() from error
        pod = own.get("pod")
        names = {"name": "authentication.kubernetes.io/pod-name", "uid": "authentication.kubernetes.io/pod-uid"}
        extra = {names[part]: (pod[part],) for part in names} if pod else {}
        user = User(claims["sub"], account_groups(namespace), account["uid"], extra)
        return user, [name for name in audiences if name in claims["aud"]]

    def _bound_uid(self, namespace: str, account: str, bound: Object) -> str:
        kind, name = _BOUND.get(bound["kind"]), bound["name"]
        if kind is None:
            cure = f"bind it to one of: {', '.join(_BOUND)}"
            raise ApiError(400, "BadRequest", f"cannot bind token to object of type {bound['kind']}", cure)
        found = self._read(kind, Key(namespace, name))
        if found is None:
            raise ApiError(404, "NotFound", f'{kind.resource} "{name}" not found', "create it first")
        if kind == POD and found["spec"].get("serviceAccountName") != account:
            said = (
                f'cannot bind token for serviceaccount "{account}" to pod running with different serviceaccount name.'
            )
            raise ApiError(400, "BadRequest", said, "ask for a token of the Pod's own account")
        uid = str(found["metadata"]["uid"])
        if bound.get("uid") not in (None, "", uid):
            said = f"the UID in the bound object reference ({bound['uid']}) does not match the UID in record"
            raise ApiError(409, "Conflict", said, "read the object again")
        return uid

    def _require(self, kind: Any, namespace: str, wanted: Object) -> None:
        found = self._read(kind, Key(namespace, wanted["name"]))
        if found is None or found["metadata"]["uid"] != wanted["uid"]:
            raise unauthorized()


class Authenticator:
    def __init__(self, admin_token: str, tokens: Tokens) -> None:
        self.tokens = tokens
        tokens.know(admin_token, ADMIN)

    def __call__(self, authorization: str, certificate: Object | None = None) -> User:
        """The Authorization header (or "") and the client's verified certificate → the user; raises 401."""
        if not authorization:
            return _of_certificate(certificate) if certificate else ANONYMOUS
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer":
            raise unauthorized()
        return self.tokens.verify(token)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def account_groups(namespace: str) -> frozenset[str]:
    return frozenset({"system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated"})


def impersonated(headers: Any) -> User | None:
    """The Impersonate-* headers → the user they name, or None; raises 400 for groups of nobody."""
    name = headers.get("impersonate-user", "")
    groups = frozenset(headers.getlist("impersonate-group"))
    extra: dict[str, tuple[str, ...]] = {}
    for key, value in headers.items():
        if key.startswith("impersonate-extra-"):
            field_name = unquote(key.removeprefix("impersonate-extra-"))
            extra[field_name] = (*extra.get(field_name, ()), value)
    if not name:
        if groups or extra or headers.get("impersonate-uid"):
            raise ApiError(400, "BadRequest", "groups, uid and extra need an Impersonate-User", "add --as=USER")
        return None
    if name.startswith(_ACCOUNT) and name.count(":") == 3 and not groups:
        groups = account_groups(name.split(":")[2])
    everybody = ANONYMOUS.groups if name == ANONYMOUS.name else frozenset({"system:authenticated"})
    return User(name, groups | everybody, headers.get("impersonate-uid", ""), extra)


def unauthorized() -> ApiError:
    return ApiError(401, "Unauthorized", "Unauthorized", "use the kubeconfig that `iiab status` names")


def _of_certificate(certificate: Object) -> User:
    """`ssl.SSLSocket.getpeercert()`, which is there only if our client CA signed it."""
    subject = [pair for part in certificate.get("subject", ()) for pair in part]
    names = [value for kind, value in subject if kind == "commonName"]
    if not names:
        raise unauthorized()
    groups = {value for kind, value in subject if kind == "organizationName"}
    return User(names[0], frozenset(groups | {"system:authenticated"}))
