"""Streams of bytes → artifacts named by their digest, and the versions of models that refer to them, on one volume.

<root>/incoming/…                            what is arriving; emptied at start
<root>/tenants/<namespace>/artifacts/<sha256>
<root>/tenants/<namespace>/models/<model>.json   its versions

Whole or not at all: written under another name, brought to the disk, then renamed. One process writes; its lock is the
registry's.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Version:
    """`digest` is of what was sent, `artifact` of what is served: an archive is unpacked and packed anew."""

    version: int
    digest: str
    artifact: str
    file: str
    framework: str
    size: int
    createdAt: str
    by: str


class Incoming:
    """A file that grows, and its digest so far. `folder` is for what becomes of it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.file = folder, folder / "upload"
        self._digest, self.size = hashlib.sha256(), 0

    def write(self, data: bytes) -> None:
        with self.file.open("ab") as target:
            target.write(data)
        self._digest.update(data)
        self.size += len(data)

    @property
    def digest(self) -> str:
        return self._digest.hexdigest()


class Store:
    def __init__(self, root: Path) -> None:
        self.root, self._incoming = root, root / "incoming"
        shutil.rmtree(self._incoming, ignore_errors=True)
        self._incoming.mkdir(parents=True, mode=0o700)

    @contextmanager
    def incoming(self) -> Iterator[Incoming]:
        """What is not kept by then is gone."""
        with tempfile.TemporaryDirectory(dir=self._incoming) as folder:
            yield Incoming(Path(folder))

    def artifact(self, namespace: str, digest: str) -> Path:
        return self.root / "tenants" / namespace / "artifacts" / digest

    def held(self, namespace: str) -> int:
        """Bytes of all artifacts of a tenant."""
        return sum(file.stat().st_size for file in self.artifact(namespace, "").glob("*"))

    def keep(self, namespace: str, file: Path) -> str:
        """Moves it to its place → its digest; the same bytes are kept once."""
        with file.open("rb") as content:
            digest = hashlib.file_digest(content, "sha256").hexdigest()
            os.fsync(content.fileno())
        place = self.artifact(namespace, digest)
        place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not place.exists():
            file.rename(place)
            _to_disk(place.parent)
        return digest

    def versions(self, namespace: str, model: str) -> list[Version]:
        """The newest first."""
        return [Version(**one) for one in reversed(self._read(namespace, model)["versions"])]

    def add(self, namespace: str, model: str, **what: Any) -> Version:
        """A version's number is never given again, not even after its deletion."""
        found = self._read(namespace, model)
        made = Version(found["next"], createdAt=datetime.now(UTC).isoformat(timespec="seconds"), **what)
        self._write(namespace, model, [*found["versions"], asdict(made)], made.version + 1)
        return made

    def remove(self, namespace: str, model: str, version: int) -> None:
        found = self._read(namespace, model)
        self._write(namespace, model, [one for one in found["versions"] if one["version"] != version], found["next"])

    def models(self, namespace: str) -> list[str]:
        return sorted(file.stem for file in self._file(namespace, "x").parent.glob("*.json"))

    def forget(self, namespace: str, model: str) -> None:
        self._file(namespace, model).unlink(missing_ok=True)

    def sweep(self, namespace: str, named: Iterable[str]) -> list[str]:
        """Removes the artifacts that neither a version nor `named` refers to → their digests."""
        versions = [one for model in self.models(namespace) for one in self.versions(namespace, model)]
        kept = {*named, *(one.artifact for one in versions)}
        gone = [file for file in self.artifact(namespace, "").glob("*") if file.name not in kept]
        for file in gone:
            file.unlink()
        return [file.name for file in gone]

    def drop(self, namespace: str) -> None:
        shutil.rmtree(self.root / "tenants" / namespace, ignore_errors=True)

    def _file(self, namespace: str, model: str) -> Path:
        return self.root / "tenants" / namespace / "models" / f"{model}.json"

    def _read(self, namespace: str, model: str) -> dict[str, Any]:
        try:
            found: dict[str, Any] = json.loads(self._file(namespace, model).read_text())
        except FileNotFoundError:
            return {"next": 1, "versions": []}
        return found

    def _write(self, namespace: str, model: str, versions: list[dict[str, Any]], following: int) -> None:
        file = self._file(namespace, model)
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh = file.with_suffix(".new")
        with fresh.open("w") as target:
            json.dump({"next": following, "versions": versions}, target, indent=2)
            target.flush()
            os.fsync(target.fileno())
        fresh.rename(file)
        _to_disk(file.parent)


def _to_disk(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
