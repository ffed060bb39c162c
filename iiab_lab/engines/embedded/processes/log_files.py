"""Container logs that never fill the disk: of each the last 5 to 10 MiB, only the last two attempts kept, and those of
Pods that are gone only a while longer; with a namespace that is gone theirs go, as soon as whoever follows them is through.

A program holds its log open for appending, so the front of the file becomes a hole (`iiab_lab.holes`): no line is ever
lost to somebody who follows it. Where the disk cannot do that, the file is copied aside and emptied in place, and what is
written in that instant is lost, as with logrotate's copytruncate. Beside each log, `N.times` says once a second how far it
had grown (SECONDS OFFSET, a line each): a program's own lines carry no time, and `kubectl logs --since` asks for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import shutil
import time
from pathlib import Path

from .... import holes

MOST, ATTEMPTS, GONE = 10 * 2**20, 2, 20
_READ = 3.0  # seconds in which the last lines are read
_MARK_EVERY, _TIDY_EVERY = 1.0, 5


async def keep(folder: Path) -> None:
    """Until cancelled. `folder` is <home>/logs."""
    sizes: dict[Path, int] = {}
    for count in itertools.count():
        await asyncio.to_thread(mark, folder, sizes, time.time())
        if count % _TIDY_EVERY == 0:
            await asyncio.to_thread(tidy, folder)
        await asyncio.sleep(_MARK_EVERY)


def mark(folder: Path, sizes: dict[Path, int], now: float) -> None:
    """Writes down which logs have grown since the last call; `sizes` is kept between calls."""
    for file in folder.glob("*/*/*.log"):
        with contextlib.suppress(FileNotFoundError):
            size = file.stat().st_size
            if size != sizes.get(file, 0):
                with times_of(file).open("a" if size > sizes.get(file, 0) else "w") as times:
                    times.write(f"{now:.3f} {size}\n")
            sizes[file] = size


def times_of(log: Path) -> Path:
    return log.with_suffix(".times")


def forget(folder: Path, namespace: str) -> None:
    """A note for `tidy`: it outlives this process."""
    with contextlib.suppress(FileNotFoundError):
        (folder / f"{namespace}.gone").touch()


def tidy(folder: Path, most: int = MOST) -> None:
    gone = _gone(folder)
    forgotten = [note for note in folder.glob("*.gone") if time.time() - note.stat().st_mtime > _READ]
    for pod in gone:
        if pod in gone[:-GONE] or any(pod.name.startswith(f"{note.stem}_") for note in forgotten):
            shutil.rmtree(pod, ignore_errors=True)
    for note in forgotten:
        note.unlink()
    for container in folder.glob("*/*"):
        files = sorted(container.glob("*.log"), key=lambda file: int(file.stem))
        for old in files[:-ATTEMPTS]:
            old.unlink(missing_ok=True)
            times_of(old).unlink(missing_ok=True)
            _aside(old).unlink(missing_ok=True)
        for file in files[-ATTEMPTS:]:
            if file.stat().st_blocks * 512 > most:
                _shorten(file, most)


def _gone(folder: Path) -> list[Path]:
    """Of Pods without a folder of their own, as <home>/pods has it by uid; what was written last comes last."""
    pods = folder.parent / "pods"
    found = [pod for pod in folder.glob("*_*_*") if not (pods / pod.name.rsplit("_", 1)[1]).exists()]
    return sorted(found, key=lambda pod: pod.stat().st_mtime)


def _shorten(file: Path, most: int) -> None:
    with file.open("r+b", buffering=0) as log:
        cut = (os.fstat(log.fileno()).st_size - most // 2) // holes.BLOCK * holes.BLOCK
        if holes.punch(log.fileno(), cut):
            _forget_times(times_of(file), cut)
            return
        shutil.copyfile(file, _aside(file))
        with _aside(file).open("ab") as aside:  # what came while it was copied
            log.seek(aside.tell())
            aside.write(log.read())
        os.truncate(file, 0)


def _forget_times(times: Path, cut: int) -> None:
    """Of what is gone, but for the last: from there on the first line that is left was written."""
    with contextlib.suppress(FileNotFoundError):
        lines = times.read_text().splitlines(keepends=True)
        first = next((index for index, line in enumerate(lines) if int(line.split()[1]) > cut), len(lines))
        times.write_text("".join(lines[max(0, first - 1) :]))


def _aside(file: Path) -> Path:
    return file.with_suffix(".log.1")
