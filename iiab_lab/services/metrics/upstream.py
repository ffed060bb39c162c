"""One call of Prometheus' HTTP API → its answer as it came: status and bytes, bounded in size and in time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import orjson
import requests

from ..management.errors import Refused

Params = Sequence[tuple[str, str]]
_SECONDS = 35.0
# What one answer may hold: beyond it a caller asks for less.
MOST = 32 << 20
_CHUNK = 1 << 16


class Answer(NamedTuple):
    status: int
    body: bytes

    def data(self) -> Any:
        """Raises 502 for what is no success."""
        try:
            said = orjson.loads(self.body)
            return said["data"]
        except (ValueError, KeyError) as error:
            raise Refused(502, "Prometheus refuses", self.body[:200].decode(errors="replace")) from error


class Upstream:
    """Safe from any thread."""

    def __init__(self, url: Callable[[], str], most: int = MOST) -> None:
        """`url` finds Prometheus; raises Refused where there is none."""
        self._url, self._most = url, most

    def get(self, path: str, params: Params) -> Answer:
        return self._ask("GET", path, params=list(params))

    def post(self, path: str, params: Params) -> Answer:
        """Queries are longer than an address may be."""
        return self._ask("POST", path, data=list(params))

    def _ask(self, method: str, path: str, **options: Any) -> Answer:
        with requests.Session() as session:
            session.trust_env = False
            try:
                with session.request(
                    method, f"{self._url()}/api/v1/{path}", timeout=_SECONDS, stream=True, **options
                ) as answer:
                    return Answer(answer.status_code, self._read(answer))
            except requests.RequestException as error:
                raise Refused(503, "Prometheus does not answer", "try again in a moment") from error

    def _read(self, answer: requests.Response) -> bytes:
        body = bytearray()
        for chunk in answer.iter_content(_CHUNK):
            body += chunk
            if len(body) > self._most:
                raise Refused(
                    422, f"The answer has more than {self._most >> 20} MiB", "ask for fewer series or a longer step"
                )
        return bytes(body)
