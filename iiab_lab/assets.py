"""Where the manifests and notebooks are: beside the package in a checkout, inside it in an installed wheel."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).parent


def folder(name: str) -> Path:
    """`manifests` or `notebooks`, as a directory."""
    checkout = _PACKAGE.parent / name
    return checkout if (_PACKAGE.parent / "pyproject.toml").exists() else _PACKAGE / name


def manifests() -> Path:
    return folder("manifests")


def notebooks() -> Path:
    return folder("notebooks")


def home() -> Path:
    """The state directory of the platform: $IIAB_HOME, else ~/.iiab."""
    import os

    return Path(os.environ.get("IIAB_HOME") or Path.home() / ".iiab").expanduser().absolute()
