"""A kubeconfig's certificates: only its CA is trusted, its client certificate is shown, and no file stays behind."""

from __future__ import annotations

import base64
import ssl
import tempfile
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from iiab_lab.engines.embedded.rules import pki
from iiab_lab.errors import UsageError
from iiab_lab.kube import Kube


def authority(name: str) -> pki.Authority:
    made = pki.issue(pki.Request(3600, common_name=name, is_ca=True, usages=("cert sign",)), None, time.time())
    return pki.Authority(made.chain, made.key, made.root)


CA, OTHER = authority("ca"), authority("other")


def issued(by: pki.Authority, usage: str, **names: Any) -> pki.Issued:
    return pki.issue(pki.Request(3600, usages=("digital signature", usage), **names), by, time.time())


class Names(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        shown: Any = self.connection
        subject = dict(pair[0] for pair in shown.getpeercert()["subject"])
        self.send_response(200)
        self.end_headers()
        self.wfile.write(subject["commonName"].encode())

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("server")
    shown = issued(CA, "server auth", ip_addresses=("127.0.0.1",))
    (folder / "server.pem").write_text(shown.chain + shown.key)
    (folder / "ca.pem").write_text(CA.chain)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(folder / "ca.pem"))
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(folder / "server.pem")
    listening = HTTPServer(("127.0.0.1", 0), Names)
    listening.socket = context.wrap_socket(listening.socket, server_side=True)
    threading.Thread(target=listening.serve_forever, daemon=True).start()
    yield f"https://127.0.0.1:{listening.server_port}"
    listening.shutdown()
    listening.server_close()


def kubeconfig(folder: Path, url: str, ca: str, user: dict[str, str]) -> Path:
    data = lambda text: base64.b64encode(text.encode()).decode()  # noqa: E731
    config = {
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": url, "certificate-authority-data": data(ca)}}],
        "users": [{"name": "u", "user": {name: data(text) for name, text in user.items()}}],
    }
    (folder / "kubeconfig").write_text(yaml.safe_dump(config))
    return folder / "kubeconfig"


def client() -> dict[str, str]:
    shown = issued(CA, "client auth", common_name="somebody")
    return {"client-certificate-data": shown.chain, "client-key-data": shown.key}


def test_the_client_certificate_is_shown_and_nothing_stays_behind(server: str, tmp_path: Path) -> None:
    before = set(Path(tempfile.gettempdir()).glob("iiab-*.pem"))
    assert Kube(kubeconfig(tmp_path, server, CA.chain, client())).raw("GET", "/").text == "somebody"
    assert set(Path(tempfile.gettempdir()).glob("iiab-*.pem")) <= before


def test_a_server_of_another_ca_is_refused(server: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not trust"):
        Kube(kubeconfig(tmp_path, server, OTHER.chain, client())).raw("GET", "/")


@pytest.mark.parametrize("ca", ["no certificate", ""])
def test_a_ca_that_is_none_is_told_or_the_systems_is_used(server: str, tmp_path: Path, ca: str) -> None:
    with pytest.raises(UsageError) as error:
        Kube(kubeconfig(tmp_path, server, ca, client())).raw("GET", "/")
    assert error.value.cure
