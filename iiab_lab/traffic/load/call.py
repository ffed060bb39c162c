"""An inference client and what it is to ask → prepared requests, as the generator's process sends them again and again."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

from ...errors import UsageError
from ..client import REVISION_HEADER, InferenceClient, Rows, infer_call, predict_call

MOST_BODIES = 65_535
SETOSA: Rows = ((5.1, 3.5, 1.4, 0.2),)


@dataclass(frozen=True)
class Call:
    """`resolve` and `ca` as of InferenceClient. `revision_header` is the header in which an answer says who gave it.

    `bodies`, where there are any, are what is sent in place of `body`: each request draws one at random. `keep` records what
    the answers said, which is for answers that are short and few.

    Only loopback is called, and hosts in `trusted`; UsageError otherwise. Use `of` or `predict`, which trust what the
    client's Target names.
    """

    url: str
    body: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    method: str = "POST"
    ca: str = ""
    resolve: Mapping[str, str] = field(default_factory=dict)
    revision_header: str = REVISION_HEADER
    trusted: Sequence[str] = ()
    bodies: Sequence[str] = ()
    keep: bool = False

    def __post_init__(self) -> None:
        if len(self.bodies) > MOST_BODIES:
            raise UsageError(f"{len(self.bodies):,} bodies are too many.", f"at most {MOST_BODIES:,}")
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise UsageError(f"{self.url!r} is no address of a service.", "http://HOST:PORT/PATH")
        port = parts.port or (443 if parts.scheme == "https" else 80)
        reached = self.resolve.get(f"{parts.hostname}:{port}", parts.netloc)
        host = urlsplit(f"//{reached}").hostname or ""
        if not _loopback(host) and host not in self.trusted:
            raise UsageError(
                f"{host} is neither this machine nor the platform.", "send load to a Target of yours alone"
            )

    @classmethod
    def of(cls, client: InferenceClient, path: str, body: Any, headers: Mapping[str, str] | None = None) -> Call:
        """A POST of `body` as JSON, to where `client` would send it and with its token."""
        gates = (client.target.gateway_url, client.target.gateway_tls_url)
        proof = {"Authorization": f"Bearer {client.token}"} if client.token else {}
        return cls(
            client.url + path,
            json.dumps(body),
            {"Content-Type": "application/json"} | proof | dict(headers or {}),
            ca=client.target.ca,
            resolve=dict(client.resolve),
            trusted=[urlsplit(gate).hostname or "" for gate in gates],
        )

    @classmethod
    def predict(cls, client: InferenceClient, model: str, rows: Rows = SETOSA, v2: bool = False) -> Call:
        """V1 of KServe's protocol, or the Open Inference Protocol."""
        return cls.of(client, *(infer_call if v2 else predict_call)(model, rows))

    @classmethod
    def each(cls, client: InferenceClient, model: str, rows: Rows) -> Call:
        """V1, one of the rows at a time; the answers are kept."""
        bodies = [json.dumps(predict_call(model, [row])[1]) for row in rows]
        return replace(cls.predict(client, model, rows[:1]), bodies=bodies, keep=True)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def _loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
