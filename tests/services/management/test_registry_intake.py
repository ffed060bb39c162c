"""Uploads before they are kept: a body read piece by piece, what it is by its content, why it is refused."""

from __future__ import annotations

import asyncio
import bz2
import gzip
import lzma
import pickle
import zipfile
import zlib
from collections.abc import Iterator
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

from iiab_lab.runtimes import archive
from iiab_lab.services.management.errors import Refused
from iiab_lab.services.management.registry import inspect
from iiab_lab.services.management.registry.intake import prepared
from iiab_lab.services.management.registry.multipart import receive
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
