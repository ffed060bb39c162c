"""The cluster and user of a kubeconfig → TLS for a session: that CA alone, and the client's certificate where it has one."""

from __future__ import annotations

import base64
import ssl
import tempfile
from pathlib import Path
from typing import Any

from requests.adapters import HTTPAdapter

Entry = dict[str, Any]


class Pinned(HTTPAdapter):
    """Verifies by its own context; requests would add the public CAs to it."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        super().__init__()

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options, ssl_context=self._context)

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        conn.cert_reqs = "CERT_REQUIRED"


def context(cluster: Entry, user: Entry) -> ssl.SSLContext:
    """The system's trust where the kubeconfig names no CA. Raises OSError and ssl.SSLError for files that are none."""
    ca = _content(cluster, "certificate-authority")
    made = ssl.create_default_context(cadata=ca.decode()) if ca else ssl.create_default_context()
    if certificate := _content(user, "client-certificate"):
        # OpenSSL reads a key from a file alone; this one, 0600, is gone again at once.
        with tempfile.NamedTemporaryFile(prefix="iiab-", suffix=".pem") as file:
            file.write(certificate + b"\n" + _content(user, "client-key"))
            file.flush()
            made.load_cert_chain(file.name)
    return made


def _content(entry: Entry, name: str) -> bytes:
    """From an entry that holds either a path or base64 data."""
    if name in entry:
        return Path(entry[name]).read_bytes()
    return base64.b64decode(entry.get(f"{name}-data", ""))
