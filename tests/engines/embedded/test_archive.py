"""A backup is whole or not there; a restore changes nothing unless all is well, and deletes nothing."""

from __future__ import annotations

import asyncio
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from iiab_lab.engines.embedded.archive import backup, restore
from iiab_lab.errors import LabError, UsageError

from .store.test_store import CONFIG_MAP, config_map, opened


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """With two ConfigMaps and a file in a volume."""
    home = tmp_path / "home"
    (home / "volumes" / "tenant-a" / "models").mkdir(parents=True)
    (home / "volumes" / "tenant-a" / "models" / "model.bin").write_bytes(b"weights")
    (home / "volumes" / "monitoring").mkdir()
    (home / "volumes" / "monitoring" / "measured").write_bytes(b"x" * 1000)
    write(home, "a", "b")
    return home


def write(home: Path, *names: str) -> None:
    async def body() -> None:
        store = await opened(home)
        for name in names:
            await store.create(CONFIG_MAP, config_map(name))
        await store.close()

    asyncio.run(body())


def stored(home: Path) -> list[str]:
    async def body() -> list[str]:
        store = await opened(home)
        names = [entry.key.name for entry in store.list(CONFIG_MAP)[1]]
        await store.close()
        return names

    return asyncio.run(body())


def test_a_backup_of_a_live_store_is_restored_elsewhere(home: Path, tmp_path: Path) -> None:
    async def body() -> dict:
        store = await opened(home)
        writing = asyncio.gather(*(store.create(CONFIG_MAP, config_map(f"m{i}")) for i in range(300)))
        about = await asyncio.to_thread(backup, home, tmp_path / "file")
        await writing
        await store.close()
        return about

    about = asyncio.run(body())
    restored, replaced = restore(tmp_path / "other", tmp_path / "file")
    names = stored(tmp_path / "other")
    assert {"a", "b"} <= set(names) and restored == about and replaced is None
    assert len(names) + 1 == about["objects"]  # and their namespace
    assert (tmp_path / "other/volumes/tenant-a/models/model.bin").read_bytes() == b"weights"
    assert not (tmp_path / "other/volumes/monitoring").exists()


def test_what_was_there_is_set_aside_whole(home: Path, tmp_path: Path) -> None:
    backup(home, tmp_path / "file")
    write(home, "later")
    _, replaced = restore(home, tmp_path / "file")
    assert stored(home) == ["a", "b"]
    assert replaced and stored(replaced) == ["a", "b", "later"]
    assert (replaced / "volumes/monitoring/measured").exists()


def test_a_backup_is_private_and_leaves_nothing_beside_it(home: Path, tmp_path: Path) -> None:
    backup(home, tmp_path / "file")
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o600
    assert {path.name for path in tmp_path.iterdir()} == {"home", "file"}
    assert not list(home.glob("backup-*"))


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda home, file: file.write_text("mine"), "exists already"),
        (lambda home, file: (home / "store.db").unlink(), "no platform"),
    ],
)
def test_a_backup_that_cannot_be_made_is_refused(home: Path, tmp_path: Path, make: Callable, says: str) -> None:
    make(home, tmp_path / "file")
    with pytest.raises(UsageError, match=says) as error:
        backup(home, tmp_path / "file")
    assert error.value.cure
    assert not (tmp_path / "file").exists() or (tmp_path / "file").read_text() == "mine"


def test_a_folder_that_is_missing_is_named(home: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no folder"):
        backup(home, tmp_path / "missing" / "file")


def rewritten(file: Path, change: Callable[[dict[str, bytes]], object]) -> None:
    with tarfile.open(file) as tar:
        parts = {m.name: tar.extractfile(m).read() for m in tar if m.isfile()}  # type: ignore[union-attr]
    change(parts)
    with tarfile.open(file, "w:gz") as tar:
        for name, content in parts.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))


def of_another_form(parts: dict[str, bytes]) -> None:
    parts["backup.json"] = json.dumps(json.loads(parts["backup.json"]) | {"format": 99}).encode()


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda file: file.write_bytes(b"no tar at all"), "no backup"),
        (lambda file: file.write_bytes(file.read_bytes()[:-2000]), "no backup"),
        (lambda file: file.write_bytes(b""), "no backup"),
        (lambda file: rewritten(file, lambda parts: parts.pop("backup.json")), "no backup"),
        (lambda file: rewritten(file, lambda parts: parts.pop("store.db")), "no backup"),
        (lambda file: rewritten(file, lambda parts: parts.update({"store.db": b"x" * 9000})), "damaged"),
        (lambda file: rewritten(file, lambda parts: parts.update({"../outside": b"x"})), "no backup"),
        (lambda file: rewritten(file, of_another_form), "form 99"),
        (lambda file: file.unlink(), "no file"),
    ],
    ids=["text", "cut", "empty", "no note", "no store", "other store", "path outside", "other form", "missing"],
)
def test_a_file_that_is_no_backup_changes_nothing(
    home: Path, tmp_path: Path, damage: Callable[[Path], object], says: str
) -> None:
    backup(home, tmp_path / "file")
    write(home, "later")
    damage(tmp_path / "file")
    with pytest.raises(LabError, match=says) as error:
        restore(home, tmp_path / "file")
    assert error.value.cure
    assert stored(home) == ["a", "b", "later"]
    assert not list(home.glob("re*")) and not (tmp_path / "outside").exists()
