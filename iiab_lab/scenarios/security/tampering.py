"""The audit stream → a copy of it, one byte of which is another: what whoever can write to the disk could make of it."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ...audit import stream_of
from ...services.audit.stream import segments
from ...target import Target


@contextlib.contextmanager
def tampered_audit(target: Target, record: int = 4) -> Iterator[Path]:
    """Check it with `verify_audit(folder=…)`; it goes afterwards, and the stream itself is not touched. `record`: which of the
    first segment, from 0. Raises NotRunning where there is no stream."""
    with tempfile.TemporaryDirectory(prefix="iiab-audit-") as folder:
        copy = Path(folder) / "stream"
        with stream_of(target) as stream:
            shutil.copytree(stream, copy)
        first = segments(copy)[0]
        lines = first.read_bytes().splitlines(keepends=True)
        lines[record] = lines[record].replace(b'"time":"2', b'"time":"3', 1)
        first.chmod(0o600)
        first.write_bytes(b"".join(lines))
        yield copy
