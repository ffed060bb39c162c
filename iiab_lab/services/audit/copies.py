"""The stream ⇄ one packed file: as the service gives it away, and as whoever asked for it lays it down again.

The head goes first, as in a backup: the segments of a copy reach at least as far as its head.
"""

from __future__ import annotations

import tarfile
import tempfile
from pathlib import Path
from typing import IO, Any

from .stream import HEAD, segments


def packed(folder: Path) -> IO[bytes]:
    """A file without a name, at its begin. What retention removes meanwhile makes it begin anew."""
    while True:
        made = tempfile.TemporaryFile()  # noqa: SIM115 - whoever reads it closes it
        try:
            with tarfile.open(fileobj=made, mode="w:gz", compresslevel=1) as archive:
                for file in (folder / HEAD, *segments(folder)):
                    archive.add(file, file.name)
        except FileNotFoundError:
            made.close()
            if not (folder / HEAD).exists():
                raise
            continue
        made.seek(0)
        return made


def unpacked(source: Any, folder: Path) -> None:
    """`source` can be read. Files alone, and by their bare names: nothing is written anywhere else."""
    with tarfile.open(fileobj=source, mode="r|gz") as archive:
        for member in archive:
            content = archive.extractfile(member) if member.isfile() else None
            if content is not None:
                (folder / Path(member.name).name).write_bytes(content.read())
