"""A Target → findings: does the platform it leads to answer? What is looked at where there is nothing to boot."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import requests

from .errors import LabError
from .findings import Finding
from .target import Target

_SECONDS = 10


def examine(target: Target) -> Iterator[Finding]:
    yield _kubernetes(target)
    for name, url in (("gateway", target.gateway_url), ("prometheus", f"{target.prometheus_url}/-/ready")):
        yield _answers(name, url)
    ca = not target.ca or Path(target.ca).is_file()
    yield Finding("ca", ca, target.ca or "the system's trust", "a file that is there", "set IIAB_CA to the edge's root")


def _kubernetes(target: Target) -> Finding:
    try:
        seen, ok = str(target.kube.raw("GET", "/version").json()["gitVersion"]), True
    except LabError as error:
        seen, ok = error.message, False
    return Finding("kubernetes", ok, seen, "an API server that answers", "look at: kubectl cluster-info")


def _answers(name: str, url: str) -> Finding:
    """Any answer will do: the edge has none for its bare address but 404."""
    with requests.Session() as session:
        session.trust_env = False  # a proxy in the environment must not see loopback traffic
        try:
            seen, ok = f"{url}: HTTP {session.get(url, timeout=_SECONDS).status_code}", True
        except requests.RequestException as error:
            seen, ok = f"{url}: {type(error).__name__}", False
    return Finding(name, ok, seen, "an answer", f"look at it, or set IIAB_{name.upper()}_URL")
