"""Namespaces labelled `iiab.lab/tenant` → one OAuth client each, its secret in that namespace, the key set beside it.

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
from typing import Any

from kubernetes import client, watch
from urllib3.exceptions import HTTPError

log = logging.getLogger(__name__)

LABEL, SECRET, JWKS = "iiab.lab/tenant", "identity-client", "identity-jwks"
_WATCH_SECONDS, _RETRY_SECONDS = 300, 1.0


class Clients:
    """Follows the namespaces in a thread of its own; `verify` is safe from any other."""

    def __init__(self, core: Any, jwks: dict[str, Any]) -> None:
        self._core, self._jwks = core, json.dumps(jwks)
        self._known: dict[str, dict[str, bytes]] = {}  # tenant → namespace → hash of its secret
        self.ready = threading.Event()
        self._stop = threading.Event()

    def verify(self, client_id: str, client_secret: str) -> str | None:
        """→ the tenant, or None. Takes as long for an unknown client as for a wrong secret."""
        given = _hash(client_secret)
        known = self._known.get(client_id) or {"": b"\0" * 32}
        matches = [hmac.compare_digest(given, held) for held in known.values()]
        return client_id if any(matches) else None

    def follow(self) -> None:
        """Blocks until `stop`; a watch that fails begins again with everything there is."""
        while not self._stop.is_set():
            try:
                listed = self._core.list_namespace(label_selector=LABEL)
                for namespace in listed.items:
                    self._admit(namespace)
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
            elif event["type"] in ("ADDED", "MODIFIED"):
                self._admit(event["object"])

    def _admit(self, namespace: Any) -> None:
        name, tenant = namespace.metadata.name, namespace.metadata.labels[LABEL]
        if namespace.metadata.deletion_timestamp:
            return self._forget(name)
        try:
            secret = self._secret(name, tenant)
            self._publish(name)
        except client.ApiException as error:
            # One namespace that has not bound our role yet must not keep the others waiting.
            log.warning("tenant %s has no client yet: %s", tenant, error.reason)
            return None
        self._known.setdefault(tenant, {})[name] = _hash(secret)
        return None

    def _forget(self, namespace: str) -> None:
        for held in self._known.values():
            held.pop(namespace, None)

    def _secret(self, namespace: str, tenant: str) -> str:
        try:
            data = self._core.read_namespaced_secret(SECRET, namespace).data or {}
        except client.ApiException as error:
            if error.status != 404:
                raise
            body = {
                "metadata": {"name": SECRET},
                "stringData": {"client_id": tenant, "client_secret": secrets.token_urlsafe(32)},
            }
            data = self._core.create_namespaced_secret(namespace, body).data
        return base64.b64decode(data["client_secret"]).decode()

    def _publish(self, namespace: str) -> None:
        body = {"metadata": {"name": JWKS}, "data": {"jwks": self._jwks}}
        try:
            self._core.create_namespaced_config_map(namespace, body)
        except client.ApiException as error:
            if error.status != 409:
                raise
            self._core.patch_namespaced_config_map(JWKS, namespace, body)


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
