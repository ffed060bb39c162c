"""Container logs that never fill the disk: rotated at 10 MiB like the kubelet's, and only the last two attempts kept.

A program holds its log open for appending, so the file is copied aside and emptied in place: the few lines written in
between are lost, as with logrotate's copytruncate.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path

MOST, ATTEMPTS, _EVERY = 10 * 2**20, 2, 5.0


async def keep_small(folder: Path) -> None:
    """Until cancelled. `folder` is <home>/logs."""
    while True:
        await asyncio.to_thread(tidy, folder)
        await asyncio.sleep(_EVERY)


def tidy(folder: Path, most: int = MOST) -> None:
    for container in folder.glob("*/*"):
        files = sorted(container.glob("*.log"), key=lambda file: int(file.stem))
        for old in files[:-ATTEMPTS]:
            old.unlink(missing_ok=True)
            _aside(old).unlink(missing_ok=True)
        for file in files[-ATTEMPTS:]:
            if file.stat().st_size > most:
                shutil.copyfile(file, _aside(file))
                os.truncate(file, 0)


def _aside(file: Path) -> Path:
    return file.with_suffix(".log.1")
