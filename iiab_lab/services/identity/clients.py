"""Namespaces labelled `iiab.lab/tenant` → one OAuth client each, its secret in that namespace, its issuer's key set beside it.

The platform's own admin is a client too; its secret lies beside the signing keys. A namespace labelled `iiab.lab/jwks` gets
key sets alone: "true" the platform's, "tenants" one for each tenant's issuer too, "together" all of them in one object. With a
tenant's last namespace go its keys: what they signed is worth nothing, whoever has the name next.

What a tenant writes into its Secret can change its own secret and nothing else: who it is, the label on its namespace says,
which only an administrator sets.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import logging
import secrets
import threading
from typing import Any, NamedTuple

from kubernetes import client, watch
from urllib3.exceptions import HTTPError

from .keys import KeyRing

log = logging.getLogger(__name__)

LABEL, SECRET, JWKS = "iiab.lab/tenant", "identity-client", "identity-jwks"
READERS, EVERY, TOGETHER = "iiab.lab/jwks", "tenants", "together"
ADMIN, TENANT = "admin", "tenant"
ADMIN_SECRET = "identity-admin-client"  # noqa: S105 - a name
_OF = ".jwks"  # a tenant's entry in this service's own ConfigMap
_WATCH_SECONDS, _RETRY_SECONDS = 300, 1.0


class Client(NamedTuple):
    """`role` is admin or tenant; a tenant's name is its client's."""

    name: str
    role: str


class Clients:
    """Follows the namespaces in a thread of its own; `verify` is safe from any other."""

    def __init__(self, core: Any, keys: KeyRing, namespace: str) -> None:
        self._core, self._keys, self._namespace = core, keys, namespace
        self._admin = b""
        self._known: dict[str, dict[str, bytes]] = {}  # tenant → namespace → hash of its secret
        self.ready = threading.Event()
        self._stop, self._publishing = threading.Event(), threading.Lock()

    def verify(self, client_id: str, client_secret: str) -> Client | None:
        """Takes as long for an unknown client as for a wrong secret."""
        given = _hash(client_secret)
        held = {"": self._admin} if client_id == ADMIN else self._known.get(client_id)
        matches = [hmac.compare_digest(given, one) for one in (held or {"": b"\0" * 32}).values()]
        return Client(client_id, ADMIN if client_id == ADMIN else TENANT) if any(matches) else None

    def follow(self) -> None:
        """Blocks until `stop`; a watch that fails begins again with everything there is."""
        while not self._stop.is_set():
            try:
                self._admin = _hash(self._secret(ADMIN_SECRET, self._namespace, ADMIN))
                listed = self._core.list_namespace(label_selector=LABEL)
                for namespace in listed.items:
                    self._admit(namespace)
                self.publish()
                self._retire()
                self.ready.set()
                self._watch(listed.metadata.resource_version)
            except (client.ApiException, HTTPError) as error:
                log.warning("namespaces cannot be followed, trying again: %s", error)
                self._stop.wait(_RETRY_SECONDS)

    def stop(self) -> None:
        self._stop.set()

    def _watch(self, since: str) -> None:
        stream = watch.Watch().stream(
            self._core.list_namespace, label_selector=LABEL, resource_version=since, timeout_seconds=_WATCH_SECONDS
        )
        for event in stream:
            if event["type"] == "DELETED":
                self._forget(event["object"].metadata.name)
                self._retire()
            elif event["type"] in ("ADDED", "MODIFIED"):
                self._admit(event["object"])

    def _admit(self, namespace: Any) -> None:
        name, tenant = namespace.metadata.name, namespace.metadata.labels[LABEL]
        if namespace.metadata.deletion_timestamp or tenant == ADMIN:  # nobody becomes the admin by a label
            return self._forget(name)
        try:
            secret = self._secret(SECRET, name, tenant)
        except client.ApiException as error:
            # One namespace that has not bound our role yet must not keep the others waiting.
            log.warning("tenant %s has no client yet: %s", tenant, error.reason)
            return None
        held = self._known.setdefault(tenant, {})
        is_new, held[name] = name not in held, _hash(secret)
        if is_new and self.ready.is_set():
            self.publish()
        return None

    def _forget(self, namespace: str) -> None:
        for tenant, held in list(self._known.items()):
            held.pop(namespace, None)
            if not held:
                del self._known[tenant]

    def _retire(self) -> None:
        """Issuers whose tenants there are no more: what signs goes first, what this service knows them by goes last."""
        with self._publishing:
            spaces = self._core.list_namespace(label_selector=LABEL).items
            held = self._core.read_namespaced_config_map(JWKS, self._namespace).data or {}
            known = self._keys.tenants() | {name.removesuffix(_OF) for name in held if name.endswith(_OF)}
            for tenant in sorted(known - {namespace.metadata.labels[LABEL] for namespace in spaces}):
                self._keys.forget(tenant)
                for reader in self._core.list_namespace(label_selector=f"{READERS}={EVERY}").items:
                    self._unpublish(reader.metadata.name, f"{JWKS}-{tenant}")
                for reader in self._core.list_namespace(label_selector=f"{READERS}={TOGETHER}").items:
                    self._take_out(reader.metadata.name, tenant)
                self._take_out(self._namespace, tenant)
                log.info("the tenant %s is no more: its keys are gone", tenant)

    def _unpublish(self, namespace: str, name: str) -> None:
        try:
            self._core.delete_namespaced_config_map(name, namespace)
        except client.ApiException as error:
            if error.status != 404:
                log.warning("ConfigMap %s/%s cannot be deleted: %s", namespace, name, error.reason)

    def _take_out(self, namespace: str, tenant: str) -> None:
        body = {"metadata": {"name": JWKS}, "data": {tenant + _OF: None}}
        try:
            self._core.patch_namespaced_config_map(JWKS, namespace, body)
        except client.ApiException as error:
            if error.status != 404:
                log.warning("%s stays in ConfigMap %s/%s: %s", tenant, namespace, JWKS, error.reason)

    def _secret(self, name: str, namespace: str, client_id: str) -> str:
        try:
            data = self._core.read_namespaced_secret(name, namespace).data or {}
        except client.ApiException as error:
            if error.status != 404:
                raise
            body = {
                "metadata": {"name": name},
                "stringData": {"client_id": client_id, "client_secret": secrets.token_urlsafe(32)},
            }
            data = self._core.create_namespaced_secret(namespace, body).data
        return base64.b64decode(data["client_secret"]).decode()

    def publish(self) -> None:
        """The key sets as they are now, to whoever verifies by them. Called from any thread, one after the other."""
        with self._publishing:
            sets = {tenant: json.dumps(self._keys.jwks(tenant)) for tenant in list(self._known)}
            for tenant, own in sets.items():
                for name in list(self._known.get(tenant, ())):
                    self._try(name, JWKS, {"jwks": own})
            platform = {"jwks": json.dumps(self._keys.jwks())}
            for reader in self._core.list_namespace(label_selector=READERS).items:
                name, wanted = reader.metadata.name, reader.metadata.labels[READERS]
                together = name == self._namespace or wanted == TOGETHER
                more = {tenant + _OF: own for tenant, own in sets.items()} if together else {}
                self._try(name, JWKS, platform | more)
                for tenant, own in sets.items() if wanted == EVERY else ():
                    self._try(name, f"{JWKS}-{tenant}", {"jwks": own})

    def _try(self, namespace: str, name: str, data: dict[str, str]) -> None:
        """Who has not bound our role goes without, and keeps nobody else waiting."""
        try:
            self._put(namespace, name, data)
        except client.ApiException as error:
            log.warning("ConfigMap %s/%s cannot be written: %s", namespace, name, error.reason)

    def _put(self, namespace: str, name: str, data: dict[str, str]) -> None:
        body = {"metadata": {"name": name}, "data": data}
        try:
            self._core.create_namespaced_config_map(namespace, body)
        except client.ApiException as error:
            if error.status != 409:
                raise
            self._core.patch_namespaced_config_map(name, namespace, body)


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
