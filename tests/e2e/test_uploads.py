"""Uploads from end to end: bytes in by REST, a model that serves them, what is refused, what stays apart, what a model can do."""

from __future__ import annotations

import hashlib
import io
import json
import pickle
import re
import socket
import tarfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy
import psutil
import pytest
import requests
from sklearn.dummy import DummyClassifier
from sklearn.svm import SVC

from iiab_lab.kube import Kube
from iiab_lab.models import iris

from ..runtimes import hostile
from .lab import SETOSA, Lab, eventually
from .management import Management

MOST = 256 << 20


def constant(answer: int, ballast: int = 0) -> bytes:
    """A model of four columns that says always the same; `ballast` makes it heavy."""
    model = DummyClassifier(strategy="constant", constant=answer).fit(numpy.zeros((2, 4)), [answer, answer + 1])
    if ballast:
        model.ballast = numpy.random.default_rng(answer).bytes(ballast)
    return pickle.dumps(model)


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture(scope="module")
def tenants(lab: Lab, tokens: dict[str, str]) -> dict[str, Management]:
    return {name: Management(lab, token) for name, token in tokens.items()}


@pytest.fixture(scope="module")
def own(tenants: dict[str, Management]) -> Management:
    return tenants["tenant-a"]


@pytest.fixture
def name(tenants: dict[str, Management], request: pytest.FixtureRequest) -> Iterator[str]:
    made = re.sub("[^a-z0-9]+", "-", request.node.name)[5:45].strip("-")
    yield made
    for management in tenants.values():
        management.remove(made)


def upload(who: Management, model: str, content: bytes, **fields: str) -> requests.Response:
    url = f"{who.url}/api/models/{model}/upload"
    return who.session.post(url, files={"file": ("model.pkl", content)}, data=fields, timeout=60)


def uploaded(who: Management, model: str, content: bytes, **fields: str) -> dict[str, Any]:
    answer = upload(who, model, content, **fields)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


def predicted(who: Management, model: str) -> Any:
    answer = who.call("POST", f"/api/models/{model}/predict", {"inputData": SETOSA})
    return answer.json()["predictions"][0] if answer.ok else answer.text


def versions(who: Management, model: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = who.ok("GET", f"/api/models/{model}/versions")["versions"]
    return found


def artifacts(lab: Lab, tenant: str) -> set[str]:
    return {file.name for file in (volume(lab) / "tenants" / tenant / "artifacts").glob("*")}


def volume(lab: Lab) -> Path:
    return lab.home / "volumes" / "default" / "model-registry"


def service(lab: Lab) -> psutil.Process:
    found = [p for p in lab.processes() if "iiab_lab.services.management" in p.cmdline()]
    assert len(found) == 1
    return found[0]


def test_upload_predict_upload_again_and_back(lab: Lab, own: Management, name: str) -> None:
    first, second = constant(1), constant(2)
    said = uploaded(own, name, first, sha256=sha256(first))
    digest = f"sha256:{sha256(first)}"
    assert said == {"message": "Model uploaded successfully", "name": name, "namespace": "tenant-a", "version": 1, "digest": digest, "size": len(first)}  # fmt: skip
    own.await_ready(name)
    assert predicted(own, name) == 1
    assert uploaded(own, name, second)["version"] == 2
    eventually(lambda: predicted(own, name) == 2)
    listed = versions(own, name)
    assert [(v["version"], v["active"], v["size"]) for v in listed] == [(2, True, len(second)), (1, False, len(first))]
    assert {v["framework"] for v in listed} == {"sklearn"} and listed[1]["digest"] == digest and listed[0]["createdAt"]
    # The same bytes are the same version, are kept once, and lead back to it.
    again = uploaded(own, name, first)
    assert (again["version"], again["digest"]) == (1, digest)
    eventually(lambda: predicted(own, name) == 1)
    assert [v["active"] for v in versions(own, name)] == [False, True]
    assert {sha256(first), sha256(second)} <= artifacts(lab, "tenant-a")
    # … and so does an older version's address, by the plain update.
    own.ok("PUT", f"/api/models/{name}", {"storageUri": listed[0]["storageUri"]})
    eventually(lambda: predicted(own, name) == 2)


def test_a_version_is_deleted_unless_in_use_and_all_go_with_the_model(lab: Lab, own: Management, name: str) -> None:
    contents = [constant(answer) for answer in (31, 32)]
    for content in contents:
        uploaded(own, name, content)
    eventually(lambda: predicted(own, name) == 32)
    eventually(lambda: own.call("DELETE", f"/api/models/{name}/versions/1").status_code == 200)
    assert own.call("DELETE", f"/api/models/{name}/versions/2").status_code == 409
    assert own.call("DELETE", f"/api/models/{name}/versions/1").status_code == 404
    assert sha256(contents[0]) not in artifacts(lab, "tenant-a") and sha256(contents[1]) in artifacts(lab, "tenant-a")
    assert uploaded(own, name, contents[0])["version"] == 3
    own.remove(name)
    assert not {sha256(content) for content in contents} & artifacts(lab, "tenant-a")
    assert own.call("GET", f"/api/models/{name}/versions").status_code == 404


def test_the_bytes_alone_and_an_archive_of_a_folder(own: Management, name: str) -> None:
    estimator, report = iris.train()
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as made:
        for file, content in (
            ("my/model.pkl", pickle.dumps(estimator)),
            ("my/report.json", json.dumps(report).encode()),
        ):
            info = tarfile.TarInfo(file)
            info.size = len(content)
            made.addfile(info, io.BytesIO(content))
    content = packed.getvalue()
    headers = {"content-type": "application/octet-stream", "x-content-sha256": sha256(content)}
    url = f"{own.url}/api/models/{name}/upload"
    answer = own.session.post(url, data=content, headers=headers, timeout=60)
    assert answer.status_code == 201 and answer.json()["digest"] == f"sha256:{sha256(content)}"
    own.await_ready(name)
    assert predicted(own, name) == 0
    wrong = own.session.post(url, data=content, headers=headers | {"x-content-sha256": sha256(b"")}, timeout=60)
    assert wrong.status_code == 400 and sha256(content) in wrong.json()["details"]


def test_two_tenants_models_of_one_name_do_not_meet(lab: Lab, tenants: dict[str, Management], name: str) -> None:
    a, b = tenants["tenant-a"], tenants["tenant-b"]
    mine, theirs = constant(41), constant(42)
    assert uploaded(a, name, mine)["namespace"] == "tenant-a"
    assert (
        uploaded(b, name, theirs, namespace="tenant-a")["namespace"] == "tenant-b"
    )  # what a tenant asks for says nothing
    for who, answer in ((a, 41), (b, 42)):
        who.await_ready(name)
        assert predicted(who, name) == answer
    assert [v["digest"] for v in versions(a, name)] == [f"sha256:{sha256(mine)}"]
    assert sha256(theirs) not in artifacts(lab, "tenant-a") and sha256(mine) not in artifacts(lab, "tenant-b")
    uri = versions(a, name)[0]["storageUri"]
    refused = b.call("PUT", f"/api/models/{name}", {"storageUri": uri})
    assert refused.status_code == 400 and "inside the platform" in refused.json()["details"]
    # An address opens what it is for; one that is made of another tenant's digest, or of one's own code, opens nothing.
    path, own_code = urlsplit(uri).path, urlsplit(versions(b, name)[0]["storageUri"]).path.split("/")[4]
    assert requests.get(a.url + path, timeout=10).content == mine
    for other in (path.replace("tenant-a", "tenant-b"), path.replace(path.split("/")[4], own_code), path + "x"):
        assert requests.get(a.url + other, timeout=10).status_code == 404


def test_an_admin_says_whose_model_it_is(lab: Lab, tenants: dict[str, Management], name: str) -> None:
    admin = Management(lab, lab.token("admin"))
    content = constant(43)
    assert uploaded(admin, name, content, namespace="tenant-b")["namespace"] == "tenant-b"
    assert [v["by"] for v in versions(tenants["tenant-b"], name)] == ["admin"]
    assert tenants["tenant-a"].call("GET", f"/api/models/{name}").status_code == 404
    assert uploaded(admin, name, content)["namespace"] == "tenant-b"  # where it is
    refused = upload(admin, name, content, namespace="kube-system")
    assert refused.status_code == 400 and "no tenant's namespace" in refused.json()["error"]


@pytest.mark.parametrize(
    ("content", "fields", "status", "error"),
    [
        (b"", {}, 400, "The upload is empty"),
        (b"no model", {}, 400, "Not a model"),
        (constant(1)[:-1], {}, 400, "Not a model"),
        (constant(1), {"sha256": "0" * 64}, 400, "The digest does not match"),
        (constant(1), {"sha256": "zero"}, 400, "Validation failed"),
        (constant(1), {"framework": "tensorflow"}, 400, "Not a model of tensorflow"),
        (b"\x08\x08\x12\x07pytorch\x1a\x052.0.0", {}, 400, "No model server for onnx is installed"),
    ],
)
def test_what_is_no_model_is_refused_and_makes_none(
    lab: Lab, own: Management, content: bytes, fields: dict[str, str], status: int, error: str
) -> None:
    before = artifacts(lab, "tenant-a")
    answer = upload(own, "refused", content, **fields)
    assert (answer.status_code, answer.json()["error"]) == (status, error) and answer.json()["details"]
    assert own.call("GET", "/api/models/refused").status_code == 404
    assert artifacts(lab, "tenant-a") == before and not list((volume(lab) / "incoming").iterdir())


def test_who_may_not_is_refused_before_a_byte_is_read(own: Management) -> None:
    url = f"{own.url}/api/models/x/upload"
    assert requests.post(url, data=b"x", timeout=10).status_code == 401
    assert requests.post(url, data=b"x", headers={"Authorization": "Bearer x"}, timeout=10).status_code == 403
    assert upload(own, "Not-A-Name", b"x").status_code == 400


def raw(who: Management, declared: int, sent: bytes, *, half: bool = False) -> bytes:
    """What is answered to a request that says one length and sends another, and then hears, or hangs up."""
    where = urlsplit(who.url)
    head = f"POST /api/models/raw/upload HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {who.token}\r\nContent-Length: {declared}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", where.port or 80), 30) as connection:
        connection.sendall(head.encode() + sent)
        if half:
            connection.shutdown(socket.SHUT_WR)
        try:
            return connection.recv(65536)
        except ConnectionResetError:
            return b""


def test_too_large_is_413_before_it_is_sent_and_cut_off_makes_nothing(lab: Lab, own: Management) -> None:
    assert raw(own, MOST + (2 << 20), b"").startswith(b"HTTP/1.1 413 ")
    assert not raw(own, 100_000, constant(1), half=True).startswith(b"HTTP/1.1 2")
    eventually(lambda: not list((volume(lab) / "incoming").iterdir()))
    assert own.call("GET", "/api/models/raw").status_code == 404


def test_one_byte_too_many_is_413(own: Management, lab: Lab) -> None:
    answer = own.session.post(
        f"{own.url}/api/models/large/upload", data=_Zeros(MOST + 1), headers={"content-type": "x/y"}, timeout=120
    )
    assert answer.status_code == 413 and str(MOST) in answer.json()["details"]
    assert not list((volume(lab) / "incoming").iterdir())


class _Zeros(io.RawIOBase):
    """A body that nobody holds in memory."""

    def __init__(self, size: int) -> None:
        self._left = self._size = size

    def __len__(self) -> int:
        return self._size

    def tell(self) -> int:
        return self._size - self._left

    def read(self, size: int = -1) -> bytes:
        size = min(self._left, size if size >= 0 else self._left)
        self._left -= size
        return b"\0" * size


def test_two_uploads_at_once_both_end_whole_and_one_serves(lab: Lab, own: Management, name: str) -> None:
    contents = [constant(answer, ballast=5 << 20) for answer in (51, 52, 53, 54)]
    with ThreadPoolExecutor(4) as pool:
        said = list(pool.map(lambda content: uploaded(own, name, content), contents))
    assert sorted(one["version"] for one in said) == [1, 2, 3, 4]
    assert [one["digest"] for one in said] == [f"sha256:{sha256(content)}" for content in contents]
    for content in contents:
        held = volume(lab) / "tenants" / "tenant-a" / "artifacts" / sha256(content)
        assert held.read_bytes() == content
    listed = versions(own, name)
    assert [one["active"] for one in listed] == [True, False, False, False]
    latest = next(answer for answer, one in zip((51, 52, 53, 54), said, strict=True) if one["version"] == 4)
    eventually(lambda: predicted(own, name) == latest)


def test_a_model_that_fails_to_load_says_why_and_the_one_before_serves_on(own: Management, name: str) -> None:
    uploaded(own, name, constant(61))
    own.await_ready(name)
    answers: list[Any] = []
    stop = threading.Event()

    def ask() -> None:
        while not stop.is_set():
            answers.append(predicted(own, name))

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        broken = pickle.dumps(SVC()).replace(b"sklearn.svm._classes", b"sklearn.svm._nothing")
        assert uploaded(own, name, broken)["version"] == 2

        def failure() -> str:
            return str(own.ok("GET", f"/api/models/{name}")["statusDetails"]["error"])

        eventually(lambda: "The model cannot be loaded: No module named 'sklearn.svm._nothing'" in failure())
        seen = len(answers)
        eventually(lambda: len(answers) > seen + 20)
        assert own.call("DELETE", f"/api/models/{name}/versions/1").status_code == 409  # it serves
        uploaded(own, name, constant(62))
        eventually(lambda: answers[-1] == 62)
    finally:
        stop.set()
        asking.join()
    assert set(answers) == {61, 62} and len(answers) > 20, [one for one in answers if one not in (61, 62)][:3]
    assert failure() == "" and own.ok("GET", f"/api/models/{name}")["ready"]


def test_a_hostile_model_reaches_nothing_while_an_honest_one_works(
    lab: Lab, tenants: dict[str, Management], name: str
) -> None:
    own, other = tenants["tenant-a"], tenants["tenant-b"]
    uploaded(other, name, constant(71))
    other.await_ready(name)
    served = (lab.home / "pods").glob("*/volumes/kserve-provision-location/model.joblib")
    theirs = next(file for file in served if file.read_bytes() == constant(71))
    sidecars = sorted(Path(f"/tmp/{_run(lab)}").glob("*.admin"))
    targets = {
        "kubeconfig": ("read", str(lab.home / "kubeconfig")),
        "store": ("read", str(lab.home / "store.db")),
        "ca": ("list", str(lab.home / "pki")),
        "home": ("list", str(lab.home)),
        "pods": ("list", str(lab.home / "pods")),
        "another's model": ("read", str(theirs)),
        "the registry": ("list", str(volume(lab))),
        "another's volume": ("list", str(lab.home / "volumes")),
        "the control plane": ("read", f"/proc/{lab.control_plane().pid}/environ"),
        "api server": ("tcp", urlsplit(lab.url("kubernetes")).port),
        "management": ("tcp", urlsplit(lab.url("management")).port),
        "a proxy's admin socket": ("unix", str(sidecars[0])),
        "kill": ("signal", lab.control_plane().pid),
        "chmod": ("chmod", str(lab.home / "kubeconfig")),
        "a shell": ("run", "/bin/sh"),
    }
    uploaded(own, name, pickle.dumps(hostile.Hostile(targets, iris.train()[0])), framework="sklearn")
    own.await_ready(name)
    said = own.ok("GET", f"/api/models/{name}/logs?lines=10000")["logs"]
    outcomes = hostile.reported("\n".join(said))
    assert outcomes.keys() == targets.keys() and set(outcomes.values()) == {"PermissionError"}, outcomes
    assert any(line.startswith("Confinement: Landlock ABI ") for line in said)
    assert predicted(own, name) == 0 and predicted(other, name) == 71
    assert any(f"/v1/models/{name}" in line for line in own.ok("GET", f"/api/models/{name}/logs")["logs"])
    prometheus = lab.url("prometheus")
    query = {"query": f'request_predict_seconds_count{{model_name="{name}"}}'}
    eventually(lambda: requests.get(f"{prometheus}/api/v1/query", query, timeout=10).json()["data"]["result"])


def _run(lab: Lab) -> str:
    return f"iiab-{hashlib.sha256(str(lab.home).encode()).hexdigest()[:12]}"


def test_the_platform_says_how_models_are_confined(own: Management) -> None:
    said = own.ok("GET", "/api/frameworks")["confinement"]
    assert re.fullmatch(r"Landlock ABI \d+ and a filter of system calls", said)


def test_an_upload_is_never_in_memory_as_a_whole(lab: Lab, own: Management, name: str) -> None:
    """The rise while 200 MiB arrive stays below a quarter of them; measured from outside, all the time."""
    process, content = service(lab), constant(81, ballast=200 << 20)
    resting = peak = process.memory_info().rss
    with ThreadPoolExecutor(1) as pool:
        under_way = pool.submit(upload, own, name, content)
        while not under_way.done():
            peak = max(peak, process.memory_info().rss)
    assert under_way.result().status_code == 201, under_way.result().text
    print(f"resting {resting >> 20} MiB, peak {peak >> 20} MiB")
    assert peak - resting < len(content) // 4


def test_a_pod_that_starts_while_the_registry_restarts_waits_for_it(lab: Lab, own: Management, name: str) -> None:
    uploaded(own, name, constant(91))
    own.await_ready(name)
    service(lab).kill()
    lab.kubectl("delete", "pod", "-n", "tenant-a", "-l", f"serving.kserve.io/inferenceservice={name}")
    eventually(lambda: own.call("GET", "/health").status_code == 200)
    eventually(lambda: predicted(own, name) == 91)
    pods = Kube(lab.home / "kubeconfig").list("v1", "Pod", "tenant-a")
    statuses = [
        one
        for pod in pods
        if pod["metadata"]["name"].startswith(name)
        for one in pod["status"]["initContainerStatuses"]
    ]
    assert statuses and not any(one["restartCount"] for one in statuses)
