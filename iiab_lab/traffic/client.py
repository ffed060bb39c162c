"""An inference request → what came back and how long it took. The edge's client, as strict about TLS as any should be."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import requests

from ..errors import TrafficError
from ..target import Target
from .resolve import Resolving

Rows = Sequence[Sequence[float]]
REVISION_HEADER = "Knative-Serving-Revision"
_LOOK = 0.05  # seconds


@dataclass(frozen=True)
class Answer:
    """`body` is parsed where it is JSON, text otherwise. `seconds` is from sending to the last byte."""

    status: int
    body: Any
    headers: Mapping[str, str]
    seconds: float
    url: str = ""

    @property
    def request_id(self) -> str:
        return self.headers.get("x-request-id", "")

    @property
    def revision(self) -> str:
        """Who answered, where the answer says so."""
        return self.headers.get(REVISION_HEADER.lower(), "")

    def __str__(self) -> str:
        return f"{self.status} in {self.seconds * 1e3:.1f} ms: {self.body}"


@dataclass
class InferenceClient:
    """Talks to the edge of `target`, with `token` where one is given, over TLS where `tls`.

    `resolve` maps `host:port` to `address:port`, as curl's --resolve does: the name is sent and verified, the address is
    where the bytes go.
    """

    target: Target
    token: str = ""
    tls: bool = False
    resolve: Mapping[str, str] = field(default_factory=dict)
    timeout: float = 10.0

    def __post_init__(self) -> None:
        self._session = requests.Session()
        self._session.trust_env = False  # a proxy in the environment must not see loopback traffic
        self._session.verify = self.target.ca or True
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, Resolving(self.resolve))

    @property
    def url(self) -> str:
        return self.target.gateway_tls_url if self.tls else self.target.gateway_url

    def predict(self, model: str, instances: Rows, headers: Mapping[str, str] | None = None) -> Answer:
        """POST /v1/models/<model>:predict: V1 of KServe's protocol."""
        path, body = predict_call(model, instances)
        return self.request("POST", path, json=body, headers=headers)

    def await_answer(
        self, model: str, rows: Rows, headers: Mapping[str, str] | None = None, revision: str = "", seconds: float = 10
    ) -> Answer:
        """The first 200 of a revision whose name begins so: what was applied is in force a moment later. Raises TrafficError."""
        deadline = time.monotonic() + seconds
        while True:
            answer = self.predict(model, rows, headers)
            if answer.status == 200 and answer.revision.startswith(revision):
                return answer
            if time.monotonic() > deadline:
                said = f"{answer.revision or 'nobody'}: {answer.status} {answer.body}"
                raise TrafficError(
                    f"{revision or model} did not answer within {seconds:.0f} s, but {said}.",
                    "look at: iiab kubectl get httproute,virtualservice -A",
                )
            time.sleep(_LOOK)

    def infer(self, model: str, rows: Rows, headers: Mapping[str, str] | None = None) -> Answer:
        """POST /v2/models/<model>/infer: the Open Inference Protocol."""
        path, body = infer_call(model, rows)
        return self.request("POST", path, json=body, headers=headers)

    def feedback(self, model: str, outcomes: Sequence[Mapping[str, Any]]) -> Answer:
        """The truth about predictions: `{"answered_by": REVISION, "predicted": 1, "label": 2}` each. Of this lab's servers."""
        return self.request("POST", f"/v1/models/{model}/feedback", json={"feedback": list(outcomes)})

    def request(self, method: str, path: str, *, headers: Mapping[str, str] | None = None, **options: Any) -> Answer:
        """Any request to the edge; raises TrafficError where no answer came. Status codes are answers."""
        sent = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        sent |= dict(headers or {})
        began = time.perf_counter()
        try:
            got = self._session.request(method, self.url + path, headers=sent, timeout=self.timeout, **options)
        except requests.exceptions.SSLError as error:
            raise TrafficError(
                f"{self.url} shows a certificate that is not trusted: {error}", "use the platform's CA: target.ca"
            ) from error
        except requests.RequestException as error:
            raise TrafficError(f"{self.url} did not answer: {error}", "look at: iiab status") from error
        seconds = time.perf_counter() - began
        return Answer(got.status_code, _body(got), dict(got.headers), seconds, got.url)


def predict_call(model: str, instances: Rows) -> tuple[str, dict[str, Any]]:
    """V1 → (path, body)."""
    return f"/v1/models/{model}:predict", {"instances": instances}


def infer_call(model: str, rows: Rows) -> tuple[str, dict[str, Any]]:
    """V2 → (path, body): one tensor of 64-bit floats, flat, with its shape."""
    shape = [len(rows), len(rows[0]) if rows else 0]
    data = [value for row in rows for value in row]
    return f"/v2/models/{model}/infer", {
        "inputs": [{"name": "input-0", "shape": shape, "datatype": "FP64", "data": data}]
    }


def _body(got: requests.Response) -> Any:
    try:
        return got.json()
    except ValueError:
        return got.text
