"""A model's source → a directory. KServe's storage initializer for what needs no network but the platform's own.

`python -m iiab_lab.runtimes.storage SOURCE DESTINATION`. A `pvc://` URI arrives here as a mounted path. An `http://` one is
fetched where `IIAB_HOSTS` knows the host, as a cluster's DNS would: a Service of this platform, which is the registry of
uploaded models. Its address names the artifact's SHA-256 digest, and what arrives is held against it.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

import requests
from urllib3.util import Retry

from ..errors import LabError, UsageError
from ..traffic.resolve import Resolving
from . import archive

_MOST_BYTES = 8 << 30  # of an archive's content; the registry takes no more
_CHUNK = 1 << 20
_SECONDS = 60.0


def fetch(source: str, destination: Path) -> int:
    """Copies the files of `source` → how many; raises UsageError with the cure where there is nothing to copy."""
    scheme, found, _ = source.partition("://")
    if scheme == "http" and urlsplit(source).hostname in {name.partition(":")[0] for name in _hosts()}:
        return _download(source, destination)
    if found and scheme != "file":
        raise UsageError(
            f"storageUri {source}: the embedded engine has no {scheme}:// storage.",
            "upload the model (POST /api/models/NAME/upload), or put it on a PersistentVolumeClaim: pvc://CLAIM/PATH",
        )
    return _copy(Path(source.removeprefix("file://")), destination)


def _copy(folder: Path, destination: Path) -> int:
    if not folder.exists():
        raise UsageError(
            f"storageUri: there is no {folder.name!r} in {folder.parent}.",
            "check the path after pvc://CLAIM/, and that the job that writes the model is complete",
        )
    files = [folder] if folder.is_file() else [file for file in _below(folder) if file.is_file()]
    if not files:
        raise UsageError(f"storageUri: {folder} is empty.", "write a model there first")
    destination.mkdir(parents=True, exist_ok=True)
    for file in files:
        target = destination / (file.name if folder.is_file() else file.relative_to(folder))
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target)
    return len(files)


def _below(folder: Path) -> Iterator[Path]:
    """Raises OSError for a folder that cannot be listed, where `rglob` would find nothing in it."""
    for found in os.scandir(folder):
        yield from _below(Path(found)) if found.is_dir() else (Path(found),)


def _hosts() -> dict[str, str]:
    """`HOST:PORT` → `ADDRESS:PORT`."""
    pairs = os.environ.get("IIAB_HOSTS", "").split(",")
    return dict(pair.split("=", 1) for pair in pairs if "=" in pair)


def _download(source: str, destination: Path) -> int:
    path = PurePosixPath(urlsplit(source).path)
    named = next((part for part in path.parts if re.fullmatch("[0-9a-f]{64}", part)), "")
    destination.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / path.name
        if (found := _received(source, file)) != named:
            raise UsageError(
                f"storageUri: the registry's {path.name} has the digest {found}, and {named or 'none'} is asked for.",
                "upload the model again: POST /api/models/NAME/upload",
            )
        if path.suffix == ".tar":
            return archive.unpack(file, destination, _MOST_BYTES)
        shutil.move(file, destination / path.name)
    return 1


def _received(source: str, file: Path) -> str:
    """Writes what the registry answers → its SHA-256 digest. A registry that is just starting is asked again."""
    session, digest = requests.Session(), hashlib.sha256()
    session.trust_env = False
    adapter = Resolving(_hosts())
    adapter.max_retries = Retry(total=8, backoff_factor=0.1, status_forcelist=(502, 503, 504))
    session.mount("http://", adapter)
    try:
        with session.get(source, stream=True, timeout=_SECONDS) as answer, file.open("wb") as target:
            if answer.status_code != 200:
                raise UsageError(
                    f"storageUri: the registry has no such artifact (it answered {answer.status_code}).",
                    "name a version that GET /api/models/NAME/versions lists",
                )
            for chunk in answer.iter_content(_CHUNK):
                digest.update(chunk)
                target.write(chunk)
    except requests.RequestException as error:
        raise UsageError(
            f"storageUri: the registry did not answer: {type(error).__name__}.", "kubectl get pods -n default"
        ) from error
    return digest.hexdigest()


def main() -> int:
    source, destination = sys.argv[1:]
    try:
        # What follows the digest in a registry's address opens it: that stays out of the log.
        shown = re.sub(r"(/[0-9a-f]{64}/).*", r"\g<1>…", source)
        print(f"Copied {fetch(source, Path(destination))} files from {shown} to {destination}")
    except LabError as error:
        print(error, file=sys.stderr)
        return 1
    except PermissionError as error:
        print(f"storageUri: {error.filename} is not this Pod's to read or write.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
