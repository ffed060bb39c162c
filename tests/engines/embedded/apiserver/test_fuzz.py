"""Whatever is sent, the API server answers with a Status of its own, never with a failure of ours, and goes on."""

from __future__ import annotations

import json
from typing import Any

import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from iiab_lab.engines.embedded.store.registry import Registry
from iiab_lab.kube import Kube

from .conftest import Running

pytestmark = [pytest.mark.soak, pytest.mark.filterwarnings("ignore::urllib3.exceptions.InsecureRequestWarning")]

SCALAR = st.none() | st.booleans() | st.integers(-(2**40), 2**70) | st.floats() | st.text(max_size=12)
ANY = st.recursive(
    SCALAR, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
)
RESOURCES = sorted({(r.kind.api_version, r.kind.kind, r.kind.plural, r.kind.namespaced) for r in Registry.load()})
LONG = settings(max_examples=1500, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture(autouse=True, scope="module")
def namespace(server: Running) -> None:
    Kube(server.kubeconfig).apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default"}})


def send(running: Running, method: str, path: str, body: Any, content: str) -> requests.Response:
    session = requests.Session()
    session.trust_env = False
    session.headers = {"Authorization": f"Bearer {running.credentials.admin_token}", "Content-Type": content}
    session.verify = False
    return session.request(method, running.url + path, data=body, timeout=30)


@LONG
@given(
    resource=st.sampled_from(RESOURCES),
    spec=ANY,
    meta=ANY,
    method=st.sampled_from(["POST", "PUT", "PATCH"]),
    content=st.sampled_from(
        [
            "application/json",
            "application/merge-patch+json",
            "application/json-patch+json",
            "application/strategic-merge-patch+json",
            "application/apply-patch+yaml",
        ]
    ),
)
def test_any_object_gets_an_answer(
    server: Running, resource: tuple, spec: Any, meta: Any, method: str, content: str
) -> None:
    version, kind, plural, namespaced = resource
    root = f"/apis/{version}" if "/" in version else f"/api/{version}"
    path = f"{root}{'/namespaces/default' if namespaced else ''}/{plural}" + ("" if method == "POST" else "/fuzz")
    metadata = {"name": "fuzz", **meta} if isinstance(meta, dict) else meta
    body = json.dumps({"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec})
    answer = send(server, method, path + "?fieldManager=f", body, content)
    assert answer.status_code < 500, answer.text
    assert answer.json()["kind"] in (kind, "Status")


@LONG
@given(
    body=st.binary(max_size=200),
    path=st.text(st.characters(codec="ascii", categories=["L", "N", "P"]), max_size=40),
    content=st.sampled_from(["application/json", "application/vnd.kubernetes.protobuf", "", "text/plain"]),
)
def test_any_bytes_anywhere_get_an_answer(server: Running, body: bytes, path: str, content: str) -> None:
    answer = send(server, "POST", "/api/v1/namespaces/default/configmaps", body, content)
    assert 400 <= answer.status_code < 500
    quoted = requests.utils.quote(path, safe="/")
    assert send(server, "GET", f"/{quoted}", None, "application/json").status_code < 500
