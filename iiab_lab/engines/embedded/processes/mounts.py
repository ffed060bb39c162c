"""A Pod's mounts → its root directory, and the arguments that name a mountPath → the path that stands for it.

There is no mount namespace: mountPath `P` becomes `<pod>/root/P`. Files of ConfigMaps, Secrets and tokens are written
whole or not at all, 0600; a claim is a link to its own directory, a path of the node to what stands for that in the home.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from ..credentials import write_private
from ..objects.names import NODE_PATHS
from ..objects.sandbox import Mount, StartFailed


def lay_out(pod: Path, mounts: Iterable[Mount], claims: Path, home: Path) -> None:
    """Brings `<pod>/root` to what the mounts say; what did not change is not touched. Outer mounts come first."""
    for mount in sorted(mounts, key=lambda mount: mount.path.count("/")):
        place = stands_for(pod, mount.path)
        if mount.files is not None:
            _write(place, mount.files)
        else:
            _link(place, _source(pod, mount, claims, home))


def reached(pod: Path, mounts: Iterable[Mount], claims: Path, home: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What a Pod may read, and what it may write besides. It makes nothing in its root: the control plane writes there, and a
    link in the place of a directory would lead its hand.
    """
    linked = [(mount, str(_source(pod, mount, claims, home))) for mount in mounts if mount.files is None]
    reads = [str(pod / "root"), *(place for mount, place in linked if mount.read_only)]
    return tuple(reads), (str(pod / "tmp"), *(place for mount, place in linked if not mount.read_only))


def _source(pod: Path, mount: Mount, claims: Path, home: Path) -> Path:
    if mount.claim:
        return _below(_below(claims, mount.claim), mount.sub_path)
    if mount.host:
        return _below(home / NODE_PATHS[mount.host], mount.sub_path)
    return _below(_below(pod / "volumes", mount.volume), mount.sub_path)


def stands_for(pod: Path, path: str) -> Path:
    return _below(pod / "root", path)


def rewrite(text: str, pod: Path, paths: Iterable[str]) -> str:
    """Each mountPath at the start of a value, or of what follows `=`, becomes the path that stands for it."""
    for path in sorted(paths, key=len, reverse=True):
        text = re.sub(rf"(^|=){re.escape(path)}(?=/|$)", rf"\g<1>{stands_for(pod, path)}", text)
    return text


def _below(folder: Path, path: str) -> Path:
    """No `..` of a manifest leads out of the folder."""
    if ".." in Path(path).parts:
        raise StartFailed(f"the path {path!r} contains '..'")
    return folder / path.lstrip("/")


def _link(place: Path, target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True, mode=0o700)
    place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not place.is_symlink():
        place.symlink_to(target)


def _write(place: Path, files: Mapping[str, bytes]) -> None:
    place.mkdir(parents=True, exist_ok=True, mode=0o700)
    for name, content in files.items():
        file = _below(place, name)
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not file.exists() or file.read_bytes() != content:
            write_private(file, content)
    for stale in place.iterdir():
        if stale.is_file() and not stale.is_symlink() and stale.name not in files:
            stale.unlink()
