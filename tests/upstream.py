"""The upstream CustomResourceDefinitions, where `IIAB_CRDS_DIR` names a copy; without one the tests collect nothing."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(os.environ["IIAB_CRDS_DIR"]) if os.environ.get("IIAB_CRDS_DIR") else None


@cache
def definitions() -> dict[tuple[str, str], dict[str, Any]]:
    """(group, kind) → the definition."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for file in sorted(FOLDER.rglob("*.yaml")) if FOLDER else ():
        for document in yaml.load_all(file.read_bytes(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
            if document and document.get("kind") == "CustomResourceDefinition":
                found[document["spec"]["group"], document["spec"]["names"]["kind"]] = document
    return found


def schema(group: str, kind: str, version: str) -> dict[str, Any] | None:
    versions = definitions().get((group, kind), {"spec": {"versions": []}})["spec"]["versions"]
    return next((v["schema"]["openAPIV3Schema"] for v in versions if v["name"] == version), None)
