"""The management service as a Python object: models, publishing, keys; and a published model as its callers use it.

Nothing but REST: the same calls as the curl commands in README, so they work on any engine.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import requests

from ..errors import ApiError, NotReady, TrafficError
from ..services.audit.copies import unpacked
from ..services.audit.requests import COLUMNS
from ..services.audit.verify import Verdict
from ..target import Target
from .client import Answer, InferenceClient, Rows
from .identity import token as token_for
from .sending import Sending, at_once

if TYPE_CHECKING:
    import pandas

HOST = "management.inference-in-a-box"
Object = dict[str, Any]


@dataclass
class Management:
    """`who` is a tenant or admin; a token of theirs is fetched and renewed before it ends."""

    target: Target
    who: str = "admin"
    timeout: float = 60.0
    _session: requests.Session = field(default_factory=requests.Session)
    _until: float = 0.0

    def __post_init__(self) -> None:
        self._session.trust_env = False
        self._url = self.target.endpoints.get("management", "")
        if not self._url:  # a cluster: through its edge
            self._url = self.target.gateway_url
            self._session.headers["Host"] = HOST

    def call(self, method: str, path: str, **options: Any) -> Object:
        """Any route; raises ApiError with what the service said, TrafficError where it said nothing."""
        found: Object = self._answer(method, path, **options).json()
        return found

    def _answer(self, method: str, path: str, **options: Any) -> requests.Response:
        if time.monotonic() > self._until:
            self._session.headers["Authorization"] = f"Bearer {token_for(self.target, self.who)}"
            self._until = time.monotonic() + 1800
        try:
            answer = self._session.request(method, self._url + path, timeout=self.timeout, **options)
        except requests.RequestException as error:
            raise TrafficError(f"{self._url} did not answer: {error}", "look at: iiab status") from error
        if answer.status_code >= 400:
            raise _refusal(answer)
        return answer

    # Models

    def models(self) -> list[Object]:
        return list(self.call("GET", "/api/models")["models"])

    def model(self, name: str) -> Object:
        return self.call("GET", f"/api/models/{name}")

    def create(self, name: str, storage: str, framework: str = "sklearn", **more: Any) -> Object:
        return self.call(
            "POST", "/api/models", json={"name": name, "framework": framework, "storageUri": storage, **more}
        )

    def update(self, name: str, **changes: Any) -> Object:
        return self.call("PUT", f"/api/models/{name}", json=changes)

    def upload(self, name: str, file: str | Path, **fields: str) -> Object:
        """A model file → the model, in a new version."""
        with open(file, "rb") as content:
            return self.call(
                "POST", f"/api/models/{name}/upload", files={"file": (Path(file).name, content)}, data=fields
            )

    def delete(self, name: str) -> Object:
        return self.call("DELETE", f"/api/models/{name}")

    def remove(self, name: str) -> None:
        """The model and everything that is published of it; nothing where there is none."""
        for path in (f"/api/models/{name}/publish", f"/api/models/{name}"):
            try:
                self.call("DELETE", path)
            except ApiError as error:
                if error.code != 404:
                    raise

    def await_ready(self, name: str, seconds: float = 60) -> Object:
        """The model, once it serves; NotReady tells what it waits for."""
        deadline = time.monotonic() + seconds
        while not (found := self.model(name))["ready"]:
            if time.monotonic() > deadline:
                why = found["statusDetails"]["error"] or found["statusDetails"]["phase"]
                raise NotReady(
                    f"The model {name} is not ready: {why}",
                    f"iiab kubectl describe isvc {name} -n {found['namespace']}",
                )
            time.sleep(0.1)
        return found

    # Publishing

    def publish(self, name: str, tenant: str = "", **config: Any) -> PublishedModel:
        """The key comes back once, inside the result."""
        body = {"config": {"tenantId": tenant or self.who, **config}}
        said = self.call("POST", f"/api/models/{name}/publish", json=body)["publishedModel"]
        return PublishedModel(self.target, said, said["apiKey"])

    def change(self, name: str, **config: Any) -> Object:
        """Limits, path, hostname, allowed tenants: live."""
        return dict(self.call("PUT", f"/api/models/{name}/publish", json={"config": config})["publishedModel"])

    def unpublish(self, name: str) -> Object:
        return self.call("DELETE", f"/api/models/{name}/publish")

    def published(self) -> list[Object]:
        return list(self.call("GET", "/api/published-models")["publishedModels"])

    def documentation(self, name: str) -> Object:
        return self.call("GET", f"/api/models/{name}/publish/documentation")

    # Keys

    def keys(self, name: str) -> list[Object]:
        return list(self.call("GET", f"/api/models/{name}/keys")["keys"])

    def add_key(self, name: str, key: str, owner: str = "", **limits: int) -> Object:
        return self.call("POST", f"/api/models/{name}/keys", json={"name": key, "owner": owner, **limits})

    def rotate_key(self, name: str, key_id: str = "", overlap: int = 300) -> Object:
        body = {"keyId": key_id, "overlapSeconds": overlap}
        return self.call("POST", f"/api/models/{name}/publish/rotate-key", json=body)

    def revoke_key(self, name: str, key_id: str) -> Object:
        return self.call("DELETE", f"/api/models/{name}/keys/{key_id}")

    # What is written down of the caller

    def logs(self, pod: str = "", lines: int = 100) -> list[str]:
        """The latest lines of each container of the caller's own Pods; `pod` is the beginning of a name."""
        return list(self.call("GET", "/api/logs", params={"pod": pod, "lines": lines})["logs"])

    def audit(self, decision: str = "", request_id: str = "", limit: int = 100) -> pandas.DataFrame:
        """The caller's own requests and those to what is its own, with the columns of `lab.audit`."""
        import pandas

        asked: dict[str, str | int] = {"decision": decision, "request_id": request_id, "limit": limit}
        frame = pandas.DataFrame(self.call("GET", "/api/audit", params=asked)["requests"], columns=list(COLUMNS))
        frame["time"] = pandas.to_datetime(frame["time"], utc=True, errors="coerce", format="ISO8601")
        return frame

    def audit_copy(self, folder: Path) -> None:
        """The admin's: the whole stream as it is now, laid down in the folder."""
        with self._answer("GET", "/api/audit/stream", stream=True) as answer:
            unpacked(answer.raw, folder)

    def audit_verdict(self) -> Verdict:
        """The admin's: whether the stream is as it was written, by the service that seals it."""
        return Verdict(**self.call("GET", "/api/audit/verdict"))


@dataclass
class PublishedModel:
    """One public URL of a model, called with a key: over TLS, by the name it is published under."""

    target: Target
    details: Object
    key: str = field(repr=False)

    def __post_init__(self) -> None:
        self._connect(self.details["externalUrl"])

    @property
    def url(self) -> str:
        return str(self.details["externalUrl"])

    def predict(self, rows: Rows, token: str = "") -> Answer:
        """With the key, or with a token in its place."""
        proof = {"authorization": f"Bearer {token}"} if token else {"x-api-key": self.key} if self.key else {}
        return self._client.request("POST", self._path, json={"instances": rows}, headers=proof)

    def at_once(self, rows: Rows, count: int) -> list[Answer]:
        return at_once(lambda: self.predict(rows), count)

    def sending(self, rows: Rows, per_second: float) -> Sending:
        """`with published.sending(rows, 50) as sent:`: predictions in the background while the block runs."""
        return Sending(lambda: self.predict(rows), per_second)

    def with_key(self, key: str) -> PublishedModel:
        return PublishedModel(self.target, self.details, key)

    def _connect(self, url: str) -> None:
        parts, edge = urlsplit(url), urlsplit(self.target.gateway_tls_url)
        named = f"{parts.hostname}:443"
        address = f"{'127.0.0.1' if edge.hostname == 'localhost' else edge.hostname}:{edge.port or 443}"
        self._client = _Named(self.target, tls=True, resolve={named: address}, host=str(parts.hostname))
        self._path = parts.path


@dataclass
class _Named(InferenceClient):
    """The same client under the name of a published host."""

    host: str = ""

    @property
    def url(self) -> str:
        return f"https://{self.host}"


def _refusal(answer: requests.Response) -> ApiError:
    try:
        said = answer.json()
        return ApiError(answer.status_code, "", str(said["error"]), str(said.get("details", "")))
    except (ValueError, KeyError, TypeError):
        return ApiError(answer.status_code, "", answer.text[:300] or answer.reason, "look at: iiab status")
