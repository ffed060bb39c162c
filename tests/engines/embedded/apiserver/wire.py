"""Requests byte for byte, as no client library would send them."""

from __future__ import annotations

import contextlib
import http.client
import json
from typing import Any

from iiab_lab.kube import Kube

JSON, YAML = "application/json", "application/yaml"
Answer = tuple[int, dict[str, str], bytes]


class Wire:
    def __init__(self, kube: Kube) -> None:
        self._kube = kube

    def __call__(self, method: str, path: str, body: Any = b"", kind: str = JSON, **headers: str) -> Answer:
        """`body` is bytes, or an iterator of them, which is sent in chunks."""
        host = self._kube.server.removeprefix("https://")
        connection = http.client.HTTPSConnection(host, context=self._kube.tls, timeout=60)
        sent = {"Authorization": str(self._kube.session.headers["Authorization"]), "Content-Type": kind} | headers
        with contextlib.suppress(OSError):  # refused before all of it was sent; the answer is there to read
            connection.request(method, path, body, sent, encode_chunked=not isinstance(body, bytes))
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        return answer.status, dict(answer.headers), content


def status(answer: Answer, code: int) -> dict[str, Any]:
    """The Status of a refusal; the code is in both."""
    assert answer[0] == code, answer[2][:300]
    found: dict[str, Any] = json.loads(answer[2])
    assert (found["kind"], found["apiVersion"], found["status"], found["code"]) == ("Status", "v1", "Failure", code)
    assert found["reason"] and found["message"]
    return found


def config_map(**data: Any) -> bytes:
    return json.dumps({"metadata": {"name": "x"}, "data": data}).encode()
