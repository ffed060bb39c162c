"""The inference client against real servers on loopback: what is sent, resolved, verified and told."""

from __future__ import annotations

import json
import ssl
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from iiab_lab.engines.embedded.rules import pki
from iiab_lab.errors import NotRunning, TrafficError
from iiab_lab.target import Target
from iiab_lab.traffic.client import InferenceClient


class Echo(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        said = json.dumps({"path": self.path, "headers": dict(self.headers), "body": body}).encode()
        self.send_response(int(self.headers.get("x-status", 418)))
        self.send_header("x-request-id", "r-1")
        self.send_header("knative-serving-revision", self.headers.get("x-revision", ""))
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """(the server's certificate and key, the CA's)."""
    folder = tmp_path_factory.mktemp("tls")
    ca = pki.issue(pki.Request(3600, common_name="ca", is_ca=True, usages=("cert sign",)), None, time.time())
    issued = pki.issue(
        pki.Request(3600, dns_names=("edge.example",), usages=("server auth", "digital signature")),
        pki.Authority(ca.chain, ca.key, ca.root),
        time.time(),
    )
    (folder / "server.pem").write_text(issued.chain + issued.key)
    (folder / "ca.pem").write_text(ca.chain)
    return folder / "server.pem", folder / "ca.pem"


@pytest.fixture(scope="module")
def ports(certificates: tuple[Path, Path]) -> Iterator[tuple[int, int]]:
    plain, secure = (HTTPServer(("127.0.0.1", 0), Echo) for _ in range(2))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates[0])
    secure.socket = context.wrap_socket(secure.socket, server_side=True)
    for server in (plain, secure):
        threading.Thread(target=server.serve_forever, daemon=True).start()
    yield plain.server_port, secure.server_port
    for server in (plain, secure):
        server.shutdown()
        server.server_close()


def target(ports: tuple[int, int], ca: Path | str = "") -> Target:
    return Target(
        "embedded", Path("/none"), f"http://127.0.0.1:{ports[0]}", f"https://edge.example:{ports[1]}", "", str(ca)
    )


def test_a_prediction_is_sent_as_kserve_wants_it(ports: tuple[int, int]) -> None:
    answer = InferenceClient(target(ports), "t0ken").predict("iris", [[1.0, 2.0]], {"x-tenant": "a"})
    assert answer.status == 418 and answer.request_id == "r-1" and answer.seconds > 0
    assert answer.body["path"] == "/v1/models/iris:predict"
    assert json.loads(answer.body["body"]) == {"instances": [[1.0, 2.0]]}
    assert answer.body["headers"]["Authorization"] == "Bearer t0ken" and answer.body["headers"]["x-tenant"] == "a"
    assert answer.body["headers"]["Content-Type"] == "application/json"


def test_v2_carries_shape_and_flat_data(ports: tuple[int, int]) -> None:
    answer = InferenceClient(target(ports)).infer("iris", [[1.0, 2.0], [3.0, 4.0]])
    (sent,) = json.loads(answer.body["body"])["inputs"]
    assert (sent["shape"], sent["data"]) == ([2, 2], [1.0, 2.0, 3.0, 4.0])
    assert "Authorization" not in answer.body["headers"]


def test_a_name_is_resolved_and_verified_as_that_name(ports: tuple[int, int], certificates: tuple[Path, Path]) -> None:
    resolve = {f"edge.example:{ports[1]}": f"127.0.0.1:{ports[1]}"}
    client = InferenceClient(target(ports, certificates[1]), tls=True, resolve=resolve)
    answer = client.predict("iris", [[1.0]])
    assert answer.body["headers"]["Host"] == f"edge.example:{ports[1]}"


def test_a_certificate_nobody_trusts_is_an_error_with_the_cure(ports: tuple[int, int]) -> None:
    resolve = {f"edge.example:{ports[1]}": f"127.0.0.1:{ports[1]}"}
    with pytest.raises(TrafficError, match="not trusted") as error:
        InferenceClient(target(ports), tls=True, resolve=resolve).predict("iris", [[1.0]])
    assert "target.ca" in error.value.cure


def test_a_certificate_for_another_name_is_refused(ports: tuple[int, int], certificates: tuple[Path, Path]) -> None:
    other = Target("embedded", Path("/none"), "", f"https://other.example:{ports[1]}", "", str(certificates[1]))
    resolve = {f"other.example:{ports[1]}": f"127.0.0.1:{ports[1]}"}
    with pytest.raises(TrafficError, match="not trusted"):
        InferenceClient(other, tls=True, resolve=resolve).predict("iris", [[1.0]])


def test_nobody_there_is_an_error_with_the_cure() -> None:
    with pytest.raises(TrafficError) as error:
        InferenceClient(target((1, 1))).predict("iris", [[1.0]])
    assert "iiab status" in error.value.cure


def test_no_platform_is_an_error_with_the_cure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IIAB_HOME", str(tmp_path / "none"))
    monkeypatch.delenv("IIAB_KUBECONFIG", raising=False)
    with pytest.raises(NotRunning) as error:
        Target.connect()
    assert error.value.cure == "start it: iiab up"


def test_an_answer_is_awaited_from_who_is_meant(ports: tuple[int, int]) -> None:
    client = InferenceClient(target(ports))
    said = {"x-status": "200", "x-revision": "iris-b-predictor-00001"}
    assert client.await_answer("iris", [[1.0]], said, "iris-b").revision == "iris-b-predictor-00001"
    with pytest.raises(TrafficError, match=r"iris-a did not answer.*iris-b-predictor-00001: 200"):
        client.await_answer("iris", [[1.0]], said, "iris-a", seconds=0)
    with pytest.raises(TrafficError, match="nobody: 418"):
        client.await_answer("iris", [[1.0]], seconds=0)
