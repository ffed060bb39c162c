"""An artifact ⇄ the address that opens it, as storageUri names it."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from pathlib import Path
from urllib.parse import urlsplit

HOST = "management-service.default.svc.cluster.local"
PREFIX = "/registry"


class Addresses:
    def __init__(self, folder: Path) -> None:
        """The key is made once and lies in the folder, 0600."""
        file = folder / "key"
        if not file.exists():
            fresh = folder / "key.new"
            fresh.unlink(missing_ok=True)
            with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as target:
                target.write(secrets.token_bytes(32))
                target.flush()
                os.fsync(target.fileno())
            fresh.rename(file)
        self._key = file.read_bytes()

    def uri(self, namespace: str, artifact: str, name: str) -> str:
        return f"http://{HOST}{PREFIX}/{namespace}/{artifact}/{self._code(namespace, artifact, name)}/{name}"

    def opens(self, namespace: str, artifact: str, code: str, name: str) -> bool:
        return hmac.compare_digest(code.encode(), self._code(namespace, artifact, name).encode())

    def is_own(self, uri: str, namespace: str) -> bool:
        """Whether it opens an artifact of this namespace."""
        found = urlsplit(uri).path.split("/")
        return len(found) == 6 and uri == self.uri(namespace, found[3], found[5])

    def _code(self, *parts: str) -> str:
        return hmac.new(self._key, "\n".join(parts).encode(), hashlib.sha256).hexdigest()[:32]


def artifact_of(uri: str) -> str:
    """The digest that an address of this registry names; "" for any other."""
    parts = urlsplit(uri)
    found = parts.path.split("/")
    return found[3] if parts.hostname == HOST and len(found) == 6 else ""
