"""The short directory of a home's unix sockets. Their paths end at 104 characters on macOS, and homes can be deep."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from pathlib import Path

from ....errors import Unsupported
from ..objects.kinds import Key


def run_dir(home: Path) -> Path:
    """`/tmp/iiab-<hash>`, made 0700; raises where somebody else owns that name."""
    path = _path(home)
    path.mkdir(mode=0o700, exist_ok=True)
    status = path.lstat()
    if status.st_uid != os.getuid() or status.st_mode & 0o077 or not path.is_dir() or path.is_symlink():
        raise Unsupported(f"{path} belongs to somebody else, or others may read it.", f"remove it: rm -r {path}")
    return path


def clean_run_dir(home: Path) -> None:
    shutil.rmtree(_path(home), ignore_errors=True)


def admin_socket(run: Path, pod: Key) -> Path:
    """Of a Pod's Envoy."""
    return run / f"{_short(str(pod))}.admin"


def app_socket(run: Path, pod: Key, port: int) -> Path:
    """Where the application of a meshed Pod listens in place of a containerPort."""
    return run / f"{_short(str(pod))}.{port}"


def _path(home: Path) -> Path:
    # /tmp wherever it exists: TMPDIR on macOS is already 49 characters long.
    base = Path("/tmp") if Path("/tmp").is_dir() else Path(tempfile.gettempdir())  # noqa: S108 - 0700, owner checked
    return base / f"iiab-{_short(str(home))}"


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]
