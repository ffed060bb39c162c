"""The registry without a platform: where artifacts lie, who may have them, and where nothing confines models."""

from __future__ import annotations

import json
import stat
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from iiab_lab.runtimes import confine
from iiab_lab.services.management.callers import Caller
from iiab_lab.services.management.errors import Refused
from iiab_lab.services.management.models import Models
from iiab_lab.services.management.registry.address import Addresses, artifact_of
from iiab_lab.services.management.registry.registry import Limits, Registry, confinement
from iiab_lab.services.management.registry.store import Store

MOST = 1 << 20
DIGEST = "a" * 64


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "volume")


def kept(store: Store, namespace: str, content: bytes) -> str:
    with store.incoming() as one:
        one.write(content)
        return store.keep(namespace, one.file)


def versioned(store: Store, namespace: str, model: str, artifact: str) -> int:
    what = {"file": "model.joblib", "framework": "sklearn", "size": 1, "by": "me"}
    return store.add(namespace, model, digest=artifact, artifact=artifact, **what).version


# The store


def test_a_tenant_that_goes_takes_its_uploads_and_nobody_elses(store: Store) -> None:
    for namespace in ("a", "b"):
        versioned(store, namespace, "m", kept(store, namespace, b"x"))
    store.drop("a")
    store.drop("a")
    assert (store.models("a"), store.held("a")) == ([], 0) and not (store.root / "tenants" / "a").exists()
    assert (store.models("b"), store.held("b")) == (["m"], 1)


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


def test_a_full_volume_is_507_and_leaves_nothing(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    registry = unconfined(store, monkeypatch)
    with pytest.raises(Refused) as refused, registry.incoming() as one:
        one.file.symlink_to("/dev/full")
        one.write(b"x")
    assert refused.value.status == 507 and not list((store.root / "incoming").iterdir())
    with registry.incoming() as one:  # … and the place is free again
        one.write(b"x")
