"""A home's state ⇄ one file: every object as of one revision, and what their volume claims hold.

A gzipped tar of `store.db` (SQLite's online backup: consistent while the platform runs), `volumes/` and `backup.json`, which
says what is in it and its checksums. It holds Secrets, so it is 0600. Prometheus' measurements stay behind.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import sqlite3
import tarfile
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ...errors import LabError, UsageError
from ..home import locked
from . import lifecycle
from .store import log

_FORMAT = 1
_STATE = ("store.db", "store.db-wal", "store.db-shm", "volumes")
_LEFT_OUT = ("monitoring",)  # namespaces whose claims hold measurements


def backup(home: Path, file: Path) -> dict[str, Any]:
    """Writes FILE whole or not at all → what it holds. The platform may run meanwhile."""
    if not (home / "store.db").exists():
        raise UsageError(f"There is no platform in {home}.", "start it: iiab up")
    if file.exists():
        raise UsageError(f"{file} exists already.", "choose another name, or remove it")
    if not file.parent.is_dir():
        raise UsageError(f"There is no folder {file.parent}.", f"mkdir -p {file.parent}")
    temporary = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        with tempfile.TemporaryDirectory(dir=home, prefix="backup-") as folder:
            about = _snapshot(home / "store.db", Path(folder) / "store.db")
            _pack(temporary, Path(folder) / "store.db", home / "volumes", about)
        temporary.replace(file)
    except OSError as error:
        raise LabError(
            f"{file} cannot be written: {error.strerror}.", "free some space, or choose another disk"
        ) from error
    finally:
        temporary.unlink(missing_ok=True)
    return about


def restore(home: Path, file: Path) -> tuple[dict[str, Any], Path | None]:
    """FILE takes the place of the home's state → (what it holds, where the replaced state lies now).

    Everything is unpacked and checked first; nothing is changed if anything is wrong, and nothing is ever deleted.
    """
    if lifecycle.find(home) is not None:
        raise UsageError(f"The platform in {home} runs.", "stop it first: iiab down")
    if not file.is_file():
        raise UsageError(f"There is no file {file}.", "name one that `iiab backup` wrote")
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    with locked(home), tempfile.TemporaryDirectory(dir=home, prefix="restore-") as folder:
        about = _unpacked(file, Path(folder))
        replaced = _set_aside(home)
        for name in ("store.db", "volumes"):
            if (Path(folder) / name).exists():
                (Path(folder) / name).rename(home / name)
    return about, replaced


def _snapshot(source: Path, target: Path) -> dict[str, Any]:
    with (
        contextlib.closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True)) as live,
        contextlib.closing(sqlite3.connect(target)) as copy,
    ):
        live.backup(copy)
        copy.execute("PRAGMA journal_mode=DELETE")
        (objects,) = copy.execute("SELECT count(*) FROM objects").fetchone()
        revision = copy.execute("SELECT revision FROM revision").fetchone()
    return {
        "format": _FORMAT,
        "version": version("iiab-lab"),
        "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "objects": objects,
        "revision": revision[0] if revision else 0,
        "sha256": _digest(target),
    }


def _pack(path: Path, store: Path, volumes: Path, about: dict[str, Any]) -> None:
    note = store.with_name("backup.json")
    note.write_text(json.dumps(about, indent=2))
    with (
        open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as raw,
        tarfile.open(fileobj=raw, mode="w:gz") as tar,
    ):
        tar.add(note, "backup.json")
        tar.add(store, "store.db")
        for folder in sorted(volumes.iterdir()) if volumes.is_dir() else ():
            if folder.name not in _LEFT_OUT:
                tar.add(folder, f"volumes/{folder.name}")


def _unpacked(file: Path, folder: Path) -> dict[str, Any]:
    try:
        with tarfile.open(file) as tar:
            tar.extractall(folder, filter="data")
        about: dict[str, Any] = json.loads((folder / "backup.json").read_text())
        if about["format"] != _FORMAT:
            raise LabError(
                f"{file} has the form {about['format']}, of another release.", "restore it with that release"
            )
        if about["sha256"] != _digest(folder / "store.db"):
            raise LabError(f"{file} is damaged: its store is not what was written.", "use another backup")
        log.check(folder / "store.db")
    except (tarfile.TarError, OSError, EOFError, ValueError, KeyError) as error:
        why = str(error).splitlines()[0].rstrip(":")
        raise LabError(f"{file} is no backup: {why}.", "name a file that `iiab backup` wrote") from error
    (folder / "store.db").chmod(0o600)
    return about


def _set_aside(home: Path) -> Path | None:
    present = [home / name for name in _STATE if (home / name).exists()]
    if not present:
        return None
    kept = home / f"replaced-{time.strftime('%Y%m%d-%H%M%S')}"
    kept.mkdir(mode=0o700)
    for path in present:
        shutil.move(path, kept / path.name)
    return kept


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
