"""The registry without a platform: what is taken in, what it is, where it lies, and who may have it."""

from __future__ import annotations

import asyncio
import bz2
import gzip
import json
import lzma
import pickle
import stat
import threading
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import joblib
import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from starlette.requests import Request

from iiab_lab.runtimes import archive, confine
from iiab_lab.services.management.callers import Caller
from iiab_lab.services.management.errors import Refused
from iiab_lab.services.management.models import Models
from iiab_lab.services.management.registry import inspect
from iiab_lab.services.management.registry.address import Addresses, artifact_of
from iiab_lab.services.management.registry.intake import prepared
from iiab_lab.services.management.registry.multipart import receive
from iiab_lab.services.management.registry.registry import Limits, Registry, confinement
from iiab_lab.services.management.registry.store import Incoming, Store

from ...runtimes import hostile

MOST = 1 << 20
DIGEST = "a" * 64


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "volume")


@pytest.fixture
def incoming(store: Store) -> Iterator[Incoming]:
    with store.incoming() as one:
        yield one


def kept(store: Store, namespace: str, content: bytes) -> str:
    with store.incoming() as one:
        one.write(content)
        return store.keep(namespace, one.file)


def versioned(store: Store, namespace: str, model: str, artifact: str) -> int:
    what = {"file": "model.joblib", "framework": "sklearn", "size": 1, "by": "me"}
    return store.add(namespace, model, digest=artifact, artifact=artifact, **what).version


# The store


def test_the_same_bytes_are_kept_once_and_each_tenant_has_its_own(store: Store) -> None:
    one, again, other = kept(store, "a", b"x"), kept(store, "a", b"x"), kept(store, "b", b"x")
    assert one == again == other
    assert store.held("a") == store.held("b") == 1
    assert store.artifact("a", one).read_bytes() == b"x" and store.artifact("a", one) != store.artifact("b", one)


def test_what_is_not_kept_leaves_nothing_and_a_start_clears_what_a_crash_left(store: Store) -> None:
    with store.incoming() as one:
        one.write(b"x" * 10)
    folder = store.root / "incoming"
    assert not list(folder.iterdir())
    (folder / "left").mkdir()
    (folder / "left" / "upload").write_bytes(b"half")
    Store(store.root)
    assert not list(folder.iterdir()) and not (store.root / "tenants").exists()


def test_a_number_is_never_given_twice(store: Store) -> None:
    assert [versioned(store, "a", "m", DIGEST) for _ in range(3)] == [1, 2, 3]
    store.remove("a", "m", 3)
    assert versioned(store, "a", "m", DIGEST) == 4
    assert [one.version for one in Store(store.root).versions("a", "m")] == [4, 2, 1]
    assert versioned(store, "b", "m", DIGEST) == versioned(store, "a", "n", DIGEST) == 1


def test_a_sweep_takes_what_nothing_names_and_only_of_that_tenant(store: Store) -> None:
    used, named, gone, theirs = (kept(store, *one) for one in (("a", b"1"), ("a", b"2"), ("a", b"3"), ("b", b"3")))
    versioned(store, "a", "m", used)
    assert store.sweep("a", {named}) == [gone]
    assert store.artifact("b", theirs).exists()
    store.forget("a", "m")
    assert sorted(store.sweep("a", ())) == sorted([used, named]) and store.held("a") == 0


# Addresses


def test_an_address_opens_its_artifact_and_nothing_else(tmp_path: Path) -> None:
    addresses = Addresses(tmp_path)
    uri = addresses.uri("tenant-a", DIGEST, "model.joblib")
    host, namespace, artifact, code, name = uri.removeprefix("http://").replace("/registry", "").split("/")
    assert (namespace, artifact, name) == ("tenant-a", DIGEST, "model.joblib") and artifact_of(uri) == DIGEST
    assert addresses.opens(namespace, artifact, code, name) and addresses.is_own(uri, "tenant-a")
    for wrong in (
        ("tenant-b", artifact, code, name),
        (namespace, "b" * 64, code, name),
        (namespace, artifact, code[:-1] + ("0" if code[-1] != "0" else "1"), name),
        (namespace, artifact, "", name),
        (namespace, artifact, "é", name),
        (namespace, artifact, code, "../key"),
    ):
        assert not addresses.opens(*wrong)
    assert not addresses.is_own(uri, "tenant-b")
    for other in (
        uri + "?x",
        uri + "/..",
        uri.replace(host, "other.example"),
        uri.replace("http:", "https:"),
        "pvc://a/b",
    ):
        assert not addresses.is_own(other, "tenant-a")


def test_the_key_is_this_registrys_alone_and_stays(tmp_path: Path) -> None:
    one, two = tmp_path / "1", tmp_path / "2"
    one.mkdir()
    two.mkdir()
    uri = Addresses(one).uri("a", DIGEST, "m")
    assert Addresses(one).uri("a", DIGEST, "m") == uri != Addresses(two).uri("a", DIGEST, "m")
    assert stat.S_IMODE((one / "key").stat().st_mode) == 0o600


# What it is


def estimators() -> dict[str, Any]:
    data, target = load_iris(return_X_y=True)
    return {
        "sklearn.svm._classes.SVC": SVC().fit(data, target),
        "sklearn.linear_model._logistic.LogisticRegression": LogisticRegression(max_iter=500).fit(data, target),
        "sklearn.pipeline.Pipeline": make_pipeline(StandardScaler(), SVC()).fit(data, target),
        "sklearn.ensemble._forest.RandomForestClassifier": RandomForestClassifier(3).fit(data, target),
        "sklearn.model_selection._search.GridSearchCV": GridSearchCV(SVC(), {"C": [1, 2]}).fit(data, target),
    }


@pytest.mark.parametrize("compress", [0, 3, ("gzip", 3), ("bz2", 3), ("xz", 3), ("lzma", 3)])
def test_an_estimator_is_known_however_joblib_wrote_it(tmp_path: Path, compress: Any) -> None:
    for name, estimator in estimators().items():
        joblib.dump(estimator, tmp_path / "m", compress=compress)
        assert inspect.of(tmp_path / "m") == ("sklearn", "model.joblib", name)
        assert not inspect.ends_early(tmp_path / "m")


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_an_estimator_is_known_however_pickle_wrote_it(tmp_path: Path, protocol: int) -> None:
    for name, estimator in estimators().items():
        (tmp_path / "m").write_bytes(pickle.dumps(estimator, protocol))
        assert inspect.of(tmp_path / "m") == ("sklearn", "model.joblib", name)


def test_a_pickle_larger_than_what_is_read_of_it_is_known(tmp_path: Path) -> None:
    estimator = SVC()
    estimator.ballast = numpy.zeros(1 << 20)
    (tmp_path / "m").write_bytes(pickle.dumps(estimator))
    found = inspect.of(tmp_path / "m")
    assert found and found.framework == "sklearn" and not inspect.ends_early(tmp_path / "m")
    (tmp_path / "m").write_bytes((tmp_path / "m").read_bytes()[:-100])
    assert inspect.ends_early(tmp_path / "m")


OTHERS: dict[str, tuple[bytes, str]] = {
    "onnx": (b"\x08\x08\x12\x07pytorch\x1a\x052.0.0", "onnx"),
    "hdf5": (b"\x89HDF\r\n\x1a\n" + b"\0" * 64, "tensorflow"),
    "xgboost json": (b'{"learner":{"attributes":{},"gradient_booster":{}},"version":[2,0,0]}', "xgboost"),
    "xgboost ubj": (b"{L\0\0\0\0\0\0\0\x07learner{L\0\0\0\0\0\0\0\nattributes{}", "xgboost"),
    "xgboost binary": (b"binf" + b"\0" * 64, "xgboost"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_frameworks_are_told_by_their_beginning(tmp_path: Path, name: str) -> None:
    content, framework = OTHERS[name]
    (tmp_path / "m").write_bytes(content)
    found = inspect.of(tmp_path / "m")
    assert found and found.framework == framework


@pytest.mark.parametrize(
    ("names", "framework"),
    [(("a/data.pkl", "a/version"), "pytorch"), (("config.json", "model.weights.h5"), "tensorflow")],
)
def test_other_frameworks_are_told_by_what_they_pack(tmp_path: Path, names: tuple[str, ...], framework: str) -> None:
    with zipfile.ZipFile(tmp_path / "m", "w") as made:
        for name in names:
            made.writestr(name, b"x")
    found = inspect.of(tmp_path / "m")
    assert found and found.framework == framework


@given(st.binary(max_size=3000))
@settings(max_examples=200)
def test_any_bytes_are_looked_at_without_a_fall(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    file = tmp_path_factory.mktemp("any") / "m"
    for start in (
        b"",
        b"\x80\x04",
        b"\x80\x04\x95",
        b"PK\x03\x04",
        b"\x1f\x8b",
        b"\x78\x9c",
        b"BZh9",
        b"\xfd7zXZ\x00",
        b"{",
    ):
        file.write_bytes(start + content)
        inspect.of(file)


@pytest.mark.parametrize("pack", [zlib.compress, gzip.compress, bz2.compress, lzma.compress])
def test_a_bomb_is_not_unpacked_to_be_looked_at(tmp_path: Path, pack: Any) -> None:
    (tmp_path / "m").write_bytes(pack(b"\0" * (64 << 20)))
    assert inspect.of(tmp_path / "m") is None
    assert all(len(inspect._tried(one, (tmp_path / "m").read_bytes())) <= MOST for one in inspect._DECOMPRESSORS)


# Intake


def refusal(incoming: Incoming, wanted: str = "", sha256: str = "", served: tuple[str, ...] = ("sklearn",)) -> Refused:
    with pytest.raises(Refused) as refused:
        prepared(incoming, wanted, sha256, served, MOST)
    assert refused.value.status == 400 and refused.value.details
    return refused.value


def test_nothing_is_ever_loaded(tmp_path: Path, incoming: Incoming) -> None:
    """Code that would leave a trace goes through the whole intake; to load it afterwards shows that it would have."""
    trace = tmp_path / "trace"
    evil = hostile.Hostile({"trace": ("write", str(trace))}, SVC())
    incoming.write(pickle.dumps(evil))
    _, found = prepared(incoming, "sklearn", "", ("sklearn",), MOST)
    assert found.framework == "sklearn" and found.what == "builtins.eval" and not trace.exists()
    pickle.loads(incoming.file.read_bytes())
    assert trace.exists()


@pytest.mark.parametrize(
    ("content", "wanted", "error", "details"),
    [
        (b"", "", "The upload is empty", ""),
        (b"hello", "", "Not a model", "neither a model"),
        (pickle.dumps({"a": 1}), "", "Not a model", "neither a model"),
        (pickle.dumps([SVC()]), "sklearn", "Not a model", "neither a model"),
        (pickle.dumps(SVC())[:-1], "", "Not a model", "cut off"),
        (pickle.dumps(SVC()), "onnx", "Not a model of onnx", "sklearn.svm._classes.SVC"),
        (pickle.dumps(ValueError()), "", "The framework is not recognised", "builtins.ValueError"),
        (OTHERS["onnx"][0], "", "No model server for onnx is installed", "an ONNX model"),
        (OTHERS["hdf5"][0], "sklearn", "Not a model of sklearn", "tensorflow"),
    ],
)
def test_what_cannot_be_served_is_refused_with_the_reason(
    incoming: Incoming, content: bytes, wanted: str, error: str, details: str
) -> None:
    incoming.write(content)
    refused = refusal(incoming, wanted)
    assert refused.error == error and details in refused.details


def test_a_digest_is_held_against_what_arrived(incoming: Incoming) -> None:
    incoming.write(pickle.dumps(SVC()))
    assert incoming.digest in refusal(incoming, sha256=DIGEST).details
    assert prepared(incoming, "", incoming.digest, ("sklearn",), MOST)[0] == incoming.file


def packed(incoming: Incoming, files: dict[str, bytes]) -> Incoming:
    with zipfile.ZipFile(incoming.folder / "z", "w") as made:
        for name, content in files.items():
            made.writestr(name, content)
    incoming.write((incoming.folder / "z").read_bytes())
    return incoming


def test_an_archive_becomes_a_tar_of_what_was_in_its_folder(tmp_path: Path, incoming: Incoming) -> None:
    files = {"my-model/model.pkl": pickle.dumps(SVC()), "my-model/report.json": b"{}"}
    file, found = prepared(packed(incoming, files), "", incoming.digest, ("sklearn",), MOST)
    assert (found.framework, found.file) == ("sklearn", "model.tar")
    assert archive.unpack(file, tmp_path / "out", MOST) == 2
    assert pickle.loads((tmp_path / "out" / "model.pkl").read_bytes()).kernel == "rbf"


@pytest.mark.parametrize(
    "files",
    [
        {"readme.txt": b"x"},
        {"a.pkl": pickle.dumps(SVC()), "b.joblib": pickle.dumps(SVC())},
        {"deep/er/model.pkl": pickle.dumps(SVC()), "x": b"x"},
        {"model.bin": pickle.dumps(SVC())},
    ],
)
def test_an_archive_of_no_model_or_of_several_is_refused(incoming: Incoming, files: dict[str, bytes]) -> None:
    assert "exactly one model" in refusal(packed(incoming, files)).details


def test_an_archive_that_attacks_is_refused_and_leaves_nothing(store: Store) -> None:
    with store.incoming() as one:
        assert "leads out of its folder" in refusal(packed(one, {"../../key": b"x"})).details
    assert not list((store.root / "incoming").iterdir())


# The body


def body(fields: dict[str, str], content: bytes, boundary: str = "xYz") -> bytes:
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{n}"\r\n\r\n{v}\r\n'.encode() for n, v in fields.items()
    ]
    head = f'--{boundary}\r\ncontent-disposition: form-data; name="file"; filename="m"\r\nContent-Type: x/y\r\n\r\n'.encode()
    return b"".join([*parts, head, content, f"\r\n--{boundary}--\r\n".encode()])


def received(
    pieces: list[bytes], incoming: Incoming, kind: str = "multipart/form-data; boundary=xYz", ends: bool = True
) -> Any:
    """As the server hands it over: piece by piece, then the end, or the caller's departure."""
    messages: list[dict[str, Any]] = [{"type": "http.request", "body": one, "more_body": True} for one in pieces]
    messages.append({"type": "http.request", "body": b"", "more_body": False} if ends else {"type": "http.disconnect"})

    async def hand_over() -> dict[str, Any]:
        return messages.pop(0)

    scope = {"type": "http", "method": "POST", "headers": [(b"content-type", kind.encode())]}
    return asyncio.run(receive(Request(scope, hand_over), incoming, MOST))  # type: ignore[arg-type]


@given(
    st.binary(max_size=400),
    st.lists(st.integers(1, 60), max_size=20),
    st.dictionaries(st.sampled_from("abc"), st.sampled_from(["", "1", "x y"])),
)
@settings(max_examples=100, deadline=None)
def test_a_form_is_the_same_however_it_is_cut(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, cuts: list[int], fields: dict[str, str]
) -> None:
    whole, pieces = body(fields, content), []
    if b"xYz" in content:
        return
    for cut in cuts:
        pieces.append(whole[:cut])
        whole = whole[cut:]
    incoming = Incoming(tmp_path_factory.mktemp("i"))
    assert received([*pieces, whole], incoming) == fields
    assert incoming.file.read_bytes() == content and incoming.size == len(content)


def test_the_bytes_alone_are_the_file(incoming: Incoming) -> None:
    assert received([b"one", b"two"], incoming, "application/octet-stream") == {}
    assert incoming.file.read_bytes() == b"onetwo"


@pytest.mark.parametrize(
    ("pieces", "kind", "ends", "status"),
    [
        ([body({}, b"x")[:-8]], "multipart/form-data; boundary=xYz", True, 400),
        ([body({}, b"x")], "multipart/form-data; boundary=xYz", False, 400),
        ([b"x"], "application/octet-stream", False, 400),
        ([b"no form"], "multipart/form-data; boundary=xYz", True, 400),
        ([body({}, b"x")], "multipart/form-data", True, 400),
        (
            [b'--xYz\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n--xYz--\r\n'],
            "multipart/form-data; boundary=xYz",
            True,
            400,
        ),
        ([body({}, b"x")[:-9] + body({}, b"y")], "multipart/form-data; boundary=xYz", True, 400),
        ([body({"a": "x" * 2000}, b"x")], "multipart/form-data; boundary=xYz", True, 400),
        ([body({str(i): "" for i in range(20)}, b"x")], "multipart/form-data; boundary=xYz", True, 400),
        ([b"x" * MOST, b"x"], "application/octet-stream", True, 413),
        ([body({}, b"x" * (MOST + 1))], "multipart/form-data; boundary=xYz", True, 413),
    ],
)
def test_a_body_that_is_not_whole_or_too_large_is_refused(
    incoming: Incoming, pieces: list[bytes], kind: str, ends: bool, status: int
) -> None:
    with pytest.raises(Refused) as refused:
        received(pieces, incoming, kind, ends)
    assert refused.value.status == status and refused.value.details


def test_many_at_once_keep_their_bytes_apart(store: Store) -> None:
    digests: dict[int, str] = {}

    def upload(number: int) -> None:
        with store.incoming() as one:
            for _ in range(20):
                one.write(bytes([number]) * 1000)
            digests[number] = store.keep("a", one.file)

    threads = [threading.Thread(target=upload, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, digest in digests.items():
        assert store.artifact("a", digest).read_bytes() == bytes([number]) * 20_000
    assert len(set(digests.values())) == 8 and not list((store.root / "incoming").iterdir())
    assert json.dumps(store.versions("a", "m")) == "[]"


# Where nothing confines


def unconfined(store: Store, monkeypatch: pytest.MonkeyPatch) -> Registry:
    """As on a kernel without Landlock. Nothing of a platform is asked before the gate."""
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setattr(confine, "available", lambda: confine.Confinement(0, filter=True))
    nobody: Any = None
    models = Models(nobody, nobody, "tenant-a")
    return Registry(nobody, models, store, Addresses(store.root), Limits(MOST, 16 * MOST))


def test_where_nothing_confines_uploads_are_the_admins_and_the_log_says_so(
    store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    registry = unconfined(store, monkeypatch)
    assert registry.confinement == "none" and "uploads are the admin's alone" in caplog.text
    with pytest.raises(Refused) as refused:
        registry.destination(Caller("a", "tenant-a", "tenant-a", "", {}), "model", "")
    assert refused.value.status == 403 and "Landlock" in refused.value.details
    with pytest.raises(Refused) as refused:  # the admin comes further, to what is wrong with the name
        registry.destination(Caller("admin", "", "", "", {}), "No-Name", "")
    assert refused.value.status == 400


def test_a_container_of_a_cluster_is_confinement_enough(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    registry = unconfined(store, monkeypatch)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    assert registry.confinement == "none" and confinement() == "containers"


def test_more_uploads_than_places_wait_outside(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    registry = unconfined(store, monkeypatch)
    with ExitStack() as held:
        for _ in range(8):
            held.enter_context(registry.incoming())
        with pytest.raises(Refused) as refused, registry.incoming():
            raise AssertionError("a ninth place")
        assert refused.value.status == 503 and refused.value.headers["Retry-After"]
    with registry.incoming() as again:
        assert again.size == 0
