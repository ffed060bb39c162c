"""A model's source → a directory. KServe's storage initializer for what needs no network.

`python -m iiab_lab.runtimes.storage SOURCE DESTINATION`. A `pvc://` URI arrives here as a mounted path.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from ..errors import LabError, UsageError


def fetch(source: str, destination: Path) -> int:
    """Copies the files of `source` → how many; raises UsageError with the cure where there is nothing to copy."""
    scheme, found, _ = source.partition("://")
    if found and scheme != "file":
        raise UsageError(
            f"storageUri {source}: the embedded engine has no {scheme}:// storage.",
            "put the model on a PersistentVolumeClaim and write storageUri: pvc://CLAIM/PATH",
        )
    folder = Path(source.removeprefix("file://"))
    if not folder.exists():
        raise UsageError(
            f"storageUri: there is no {folder.name!r} in {folder.parent}.",
            "check the path after pvc://CLAIM/, and that the job that writes the model is complete",
        )
    files = [folder] if folder.is_file() else [file for file in folder.rglob("*") if file.is_file()]
    if not files:
        raise UsageError(f"storageUri: {folder} is empty.", "write a model there first")
    destination.mkdir(parents=True, exist_ok=True)
    for file in files:
        target = destination / (file.name if folder.is_file() else file.relative_to(folder))
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(file, target)
    return len(files)


def main() -> int:
    source, destination = sys.argv[1:]
    try:
        print(f"Copied {fetch(source, Path(destination))} files from {source} to {destination}")
    except LabError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
