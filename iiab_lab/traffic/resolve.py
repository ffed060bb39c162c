"""Names → addresses for one session, without touching the system: curl's --resolve for requests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import requests
from requests.adapters import HTTPAdapter


class Resolving(HTTPAdapter):
    """Sends to the mapped address, but names, and verifies, the host that was asked for."""

    def __init__(self, addresses: Mapping[str, str]) -> None:
        self._addresses = dict(addresses)
        super().__init__()

    def send(self, request: requests.PreparedRequest, *args: Any, **options: Any) -> requests.Response:
        parts = urlsplit(str(request.url))
        port = parts.port or (443 if parts.scheme == "https" else 80)
        address = self._addresses.get(f"{parts.hostname}:{port}")
        if address:
            request.headers.setdefault("Host", parts.netloc)
            request.url = urlunsplit(parts._replace(netloc=address))
        return super().send(request, *args, **options)

    def build_connection_pool_key_attributes(
        self, request: requests.PreparedRequest, verify: Any, cert: Any = None
    ) -> Any:
        host, pool = super().build_connection_pool_key_attributes(request, verify, cert)
        named = (request.headers.get("Host") or "").partition(":")[0]
        if named and host["scheme"] == "https" and self._addresses:
            return host, {**pool, "server_hostname": named, "assert_hostname": named}
        return host, pool
