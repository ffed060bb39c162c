"""The management service of a running platform as its users call it: with a token, over HTTP; and the published models."""

from __future__ import annotations

import base64
import json
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import requests

from iiab_lab.kube import Kube
from iiab_lab.traffic.resolve import Resolving

from .lab import SETOSA, Lab

HOST = "api.router.inference-in-a-box"


@dataclass
class Management:
    lab: Lab
    token: str
    url: str = ""
    session: requests.Session = field(default_factory=requests.Session)

    def __post_init__(self) -> None:
        self.url = self.url or self.lab.url("management")
        self.session.trust_env = False
        self.session.headers["Authorization"] = f"Bearer {self.token}"

    def call(self, method: str, path: str, body: Any = None, **options: Any) -> requests.Response:
        return self.session.request(method, self.url + path, json=body, timeout=60, **options)

    def ok(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        answer = self.call(method, path, body)
        assert answer.status_code < 300, f"{method} {path}: {answer.status_code} {answer.text}"
        found: dict[str, Any] = answer.json()
        return found

    def create(self, name: str, **more: Any) -> None:
        """A model, once it is ready."""
        body = {"name": name, "framework": "sklearn", "storageUri": "pvc://models/sklearn-iris", **more}
        self.ok("POST", "/api/models", body)
        self.await_ready(name)

    def await_ready(self, name: str) -> None:
        deadline = time.monotonic() + 60
        while not self.ok("GET", f"/api/models/{name}")["ready"]:
            assert time.monotonic() < deadline, self.ok("GET", f"/api/models/{name}")
            time.sleep(0.1)

    def publish(self, name: str, tenant: str = "tenant-a", **config: Any) -> str:
        """→ the key."""
        body = {"config": {"tenantId": tenant, **config}}
        return str(self.ok("POST", f"/api/models/{name}/publish", body)["publishedModel"]["apiKey"])

    def remove(self, name: str) -> None:
        self.call("DELETE", f"/api/models/{name}/publish")
        self.call("DELETE", f"/api/models/{name}")


@dataclass
class Edge:
    """The edge for one hostname, over TLS unless said otherwise; nothing of this machine's name service is asked."""

    lab: Lab
    host: str = HOST
    session: requests.Session = field(default_factory=requests.Session)

    def __post_init__(self) -> None:
        where = urlsplit(self.lab.url("gateway_tls")).netloc.replace("localhost", "127.0.0.1")
        self.session.trust_env = False
        self.session.mount("https://", Resolving({f"{self.host}:443": where}))
        self.session.verify = str(self.lab.home / "ca.crt")

    def predict(self, path: str, key: str = "", token: str = "", **headers: str) -> requests.Response:
        sent = headers | ({"x-api-key": key} if key else {}) | ({"authorization": f"Bearer {token}"} if token else {})
        return self.session.post(f"https://{self.host}{path}", data=json.dumps(SETOSA), headers=sent, timeout=30)


def password(lab: Lab) -> str:
    secret = Kube(lab.home / "kubeconfig").get("v1", "Secret", "management-admin", "default")
    assert secret
    return base64.b64decode(secret["data"]["password"]).decode()
