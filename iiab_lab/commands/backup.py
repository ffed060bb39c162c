"""`iiab backup FILE` and `iiab restore FILE`: the platform's state as one file, and back."""

from __future__ import annotations

from pathlib import Path

from ..assets import home
from ..engines.embedded import archive


def backup(file: Path) -> None:
    about = archive.backup(home(), file)
    size = file.stat().st_size / 2**20
    print(f"Wrote {file}: {about['objects']} objects as of revision {about['revision']}, {size:.1f} MiB.")
    print("It holds Secrets: keep it as you keep them.")


def restore(file: Path) -> None:
    about, replaced = archive.restore(home(), file)
    print(f"Restored {about['objects']} objects as of revision {about['revision']}, written {about['created']}.")
    if replaced:
        print(f"What was there before lies in {replaced}.")
    print("Start it: iiab up")
