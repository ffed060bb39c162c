"""manifests/versions.yaml → what the steps install: of each chart and file its version and where upstream publishes it."""

from __future__ import annotations

from dataclasses import dataclass
from string import Template
from typing import Any

import yaml

from ...assets import manifests


@dataclass(frozen=True)
class Release:
    """`source` is what helm or kubectl is told; the version of a file is a part of it."""

    version: str
    source: str


@dataclass(frozen=True)
class Lock:
    """`tools`: the oldest version of each that will do. `kubernetes`: the oldest and the newest minor version."""

    charts: dict[str, Release]
    files: dict[str, Release]
    releases: dict[str, str]
    images: dict[str, str]
    node: str
    tools: dict[str, str]
    kubernetes: tuple[str, str]


def read() -> Lock:
    locked: dict[str, Any] = yaml.safe_load((manifests() / "versions.yaml").read_text())
    releases, cluster = locked["releases"], locked["cluster"]
    return Lock(
        charts={name: _release(entry, releases) for name, entry in locked["charts"].items()},
        files={name: _release(entry, releases) for name, entry in locked["files"].items()},
        releases=releases,
        images=locked["images"] | cluster["images"],
        node=cluster["node"],
        tools=cluster["tools"],
        kubernetes=tuple(cluster["kubernetes"]),
    )


def _release(entry: dict[str, str], releases: dict[str, str]) -> Release:
    version = entry.get("version") or releases[entry["release"]]
    return Release(version, Template(entry["source"]).substitute(version=version))
