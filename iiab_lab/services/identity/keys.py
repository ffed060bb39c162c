"""A Secret of this service's namespace → the keys that sign tokens, a ring for each issuer, and the sets that verify them.

The Secret holds one PEM per key id (RFC 7517): `key-0001` is the platform's own, `TENANT.key-0001` the tenant's. It outlives
the service, so a restart invalidates no token. Whoever writes another key into it rotates: the new one is published at once
and signs once everybody has had the time to fetch it; the old one verifies until it is taken out.
"""

from __future__ import annotations

import base64
import json
import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from kubernetes import client, watch
from urllib3.exceptions import HTTPError

log = logging.getLogger(__name__)

SECRET = "identity-signing-keys"  # noqa: S105 - a name
PLATFORM = ""  # whose tokens are of no tenant
# How long a key set may be remembered, and so how long a new key waits before it signs.
FRESH = 10
_SUFFIX, _FIRST = ".pem", "key-0001"
_WATCH_SECONDS, _RETRY_SECONDS = 300, 1.0


class _Key(NamedTuple):
    pem: bytes
    private: rsa.RSAPrivateKey


class _Ring(NamedTuple):
    """Every key that verifies, by id; and whose tokens which of them signs."""

    keys: Mapping[str, _Key]
    signing: Mapping[str, str]


class KeyRing:
    """RS256 keys. Safe from any thread; `follow` has one of its own."""

    def __init__(self, core: Any, namespace: str) -> None:
        self._core, self._namespace = core, namespace
        self._ring = _Ring({}, {})
        self._published: Mapping[str, bytes] = {}
        self._lock, self._stop = threading.Lock(), threading.Event()

    def sign(self, tenant: str, claims: dict[str, Any]) -> str:
        """An issuer without a key gets its first."""
        ring = self._of(tenant)
        kid = ring.signing[tenant]
        return jwt.encode(claims, ring.keys[kid].private, "RS256", headers={"kid": kid, "typ": "at+jwt"})

    def jwks(self, tenant: str = PLATFORM) -> dict[str, Any]:
        """The public halves of every key that verifies its tokens; an issuer without a key gets its first."""
        keys = self._of(tenant).keys
        return {"keys": [_public(kid, key.private) for kid, key in sorted(keys.items()) if owner(kid) == tenant]}

    def knows(self, tenant: str) -> bool:
        return tenant in self._ring.signing

    def tenants(self) -> set[str]:
        """Whose keys there are, the platform's own aside."""
        return {owner(kid) for kid in self._ring.keys} - {PLATFORM}

    def forget(self, tenant: str) -> None:
        """All keys of an issuer go. Raises ApiException where the Secret cannot be read or written."""
        with self._lock:
            while tenant in self.tenants():
                secret = self._read()
                self.take(_pems(secret))
                if kids := [kid for kid in self._ring.keys if owner(kid) == tenant]:
                    self._write(secret, {kid + _SUFFIX: None for kid in kids})

    def take(self, pems: Mapping[str, bytes]) -> None:
        """The keys there are now, by id. One that is gone verifies no more, and what it would have signed the next signs."""
        before = self._ring
        held = {kid: key for kid, key in before.keys.items() if pems.get(kid) == key.pem}
        keys = {kid: held.get(kid) or _Key(pem, _private(pem)) for kid, pem in pems.items()}
        kept = {tenant: kid for tenant, kid in before.signing.items() if kid in held}
        self._ring = _Ring(keys, _latest(keys) | kept)

    def promote(self, published: Iterable[str]) -> None:
        """From now on the greatest of these ids signs for its issuer."""
        ring = self._ring
        signing = _latest(kid for kid in published if kid in ring.keys)
        self._ring = ring._replace(signing={**ring.signing, **signing})

    def follow(self, changed: Callable[[], None]) -> None:
        """Blocks until `stop`; `changed` is called whenever there are other keys, before any of them signs."""
        while not self._stop.is_set():
            try:
                for secret in self._versions():
                    self._turn(_pems(secret), changed)
            except (client.ApiException, HTTPError, ValueError) as error:
                log.warning("the signing keys cannot be followed, trying again: %s", error)
                self._stop.wait(_RETRY_SECONDS)

    def stop(self) -> None:
        self._stop.set()

    def _turn(self, pems: Mapping[str, bytes], changed: Callable[[], None]) -> None:
        with self._lock:
            self.take(pems)
            signing = self._ring.signing
        if pems != self._published:
            changed()
            self._published = pems
        if {**signing, **_latest(pems)} == signing or not self._stop.wait(FRESH):
            with self._lock:
                self.promote(pems)

    def _versions(self) -> Iterator[Any]:
        """The Secret as it is, and then each of its changes, as long as one watch lasts."""
        chosen = {"namespace": self._namespace, "field_selector": f"metadata.name={SECRET}"}
        listed = self._core.list_namespaced_secret(**chosen)
        yield from listed.items
        since = {"resource_version": listed.metadata.resource_version, "timeout_seconds": _WATCH_SECONDS}
        for event in watch.Watch().stream(self._core.list_namespaced_secret, **chosen, **since):
            if event["type"] in ("ADDED", "MODIFIED"):
                yield event["object"]

    def _of(self, tenant: str) -> _Ring:
        """Raises ApiException where the Secret cannot be read or written."""
        with self._lock:
            while tenant not in self._ring.signing:
                secret = self._read()
                self.take(_pems(secret))
                if tenant not in self._ring.signing:
                    self._write(secret, {(f"{tenant}." if tenant else "") + _FIRST + _SUFFIX: new_pem()})
            return self._ring

    def _read(self) -> Any:
        try:
            return self._core.read_namespaced_secret(SECRET, self._namespace)
        except client.ApiException as error:
            if error.status != 404:
                raise
            return None

    def _write(self, secret: Any, pems: Mapping[str, str | None]) -> None:
        """None takes one out. Of two that write at once, one meets the other's version, and reads again."""
        version = {"resourceVersion": secret.metadata.resource_version} if secret else {}
        held = {name: pem and base64.b64encode(pem.encode()).decode() for name, pem in pems.items()}
        body = {"metadata": {"name": SECRET, **version}, "data": held}
        try:
            if secret:
                written = self._core.patch_namespaced_secret(SECRET, self._namespace, body)
            else:
                written = self._core.create_namespaced_secret(self._namespace, body)
        except client.ApiException as error:
            if error.status != 409:
                raise
        else:
            self.take(_pems(written))


def owner(kid: str) -> str:
    """The tenant whose key this is; PLATFORM for the platform's own."""
    return kid.rpartition(".")[0]


def new_pem() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def _latest(keys: Iterable[str]) -> dict[str, str]:
    return {owner(kid): kid for kid in sorted(keys)}


def _pems(secret: Any) -> dict[str, bytes]:
    data = (secret.data if secret else None) or {}
    return {name.removesuffix(_SUFFIX): base64.b64decode(value) for name, value in data.items()}


def _private(pem: bytes) -> rsa.RSAPrivateKey:
    return serialization.load_pem_private_key(pem, None)  # type: ignore[return-value]


def _public(kid: str, key: rsa.RSAPrivateKey) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key()))
    return {"kid": kid, "use": "sig", "alg": "RS256", **{name: made[name] for name in ("kty", "n", "e")}}
