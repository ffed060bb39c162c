"""What arrived → the file that is served, and of which framework; or 400 with the reason. An archive is packed anew."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from ....errors import UsageError
from ....runtimes import archive
from ..errors import Refused
from . import inspect
from .inspect import Found
from .store import Incoming

_MOST_EXPANSION = 4  # an archive's content may be so many times what an upload may be


def prepared(
    incoming: Incoming, wanted: str, sha256: str, served: Collection[str], most_bytes: int
) -> tuple[Path, Found]:
    """`wanted` is the framework that the caller names, or ""; `sha256` the digest, or ""."""
    if not incoming.size:
        raise Refused(400, "The upload is empty", "send the model's file")
    if sha256 and sha256 != incoming.digest:
        raise Refused(400, "The digest does not match", f"what arrived has the SHA-256 digest {incoming.digest}")
    try:
        file, found = _recognised(incoming, most_bytes)
    except UsageError as error:
        raise Refused(400, "Not a model", f"{error.message} {error.cure}") from error
    return file, _served(found, wanted, served)


def _recognised(incoming: Incoming, most_bytes: int) -> tuple[Path, Found]:
    file = incoming.file
    if found := inspect.of(file):
        if found.file == "model.joblib" and inspect.ends_early(file):
            raise UsageError("The pickle is cut off: its last operation is missing.", "Save and send the model again.")
        return file, found
    if not archive.is_archive(file):
        raise UsageError(
            "It is neither a model of a framework known here nor an archive of one.",
            "Send what joblib.dump(estimator) writes, or a .tar.gz or .zip of the model's folder.",
        )
    folder, packed = incoming.folder / "folder", incoming.folder / "model.tar"
    folder.mkdir()
    archive.unpack(file, folder, _MOST_EXPANSION * most_bytes)
    archive.flatten(folder)
    found = inspect.of_folder(folder)
    if found is None:
        raise UsageError("The archive does not hold exactly one model at its top.", "Pack the folder of one model.")
    archive.pack(folder, packed)
    return packed, found


def _served(found: Found, wanted: str, served: Collection[str]) -> Found:
    """A pickle whose class is of no framework, somebody's own estimator, is what its sender says it is."""
    framework = found.framework or wanted
    if not framework:
        details = f"its class is {found.what}; say which framework it is of: framework=sklearn"
        raise Refused(400, "The framework is not recognised", details)
    if wanted and framework != wanted:
        raise Refused(400, f"Not a model of {wanted}", f"it is {found.what}, a model of {framework}")
    if framework not in served:
        details = f"it is {found.what}; there is a server for: {', '.join(served)}"
        raise Refused(400, f"No model server for {framework} is installed", details)
    return found._replace(framework=framework)
