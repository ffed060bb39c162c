"""xDS resource names → the files they live in, relative to the folder of their Envoy.

Route tables, endpoints, filters and secrets have one file per resource, because Envoy's filesystem subscriptions expect it.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any

_FOLDERS = {"routes": "rds", "endpoints": "eds", "filters": "ecds", "secrets": "sds"}


def file_of(resources: str, name: str) -> str:
    """`("routes", "https")` → `rds/https.json`; what a file name cannot hold is replaced and told apart by a hash."""
    safe = re.sub(r"[^A-Za-z0-9._-]+", "_", name)
    if safe != name:
        safe = f"{safe[:100]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
    return f"{_FOLDERS[resources]}/{safe}.json"


def config_source(resources: str, name: str) -> dict[str, Any]:
    """Where an Envoy finds the resource; relative, so that a folder of configuration reads the same everywhere."""
    return {"path_config_source": {"path": f"./{file_of(resources, name)}"}, "resource_api_version": "V3"}


def sds(name: str) -> dict[str, Any]:
    return {"name": name, "sds_config": config_source("secrets", name)}
