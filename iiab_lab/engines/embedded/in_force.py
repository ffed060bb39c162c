"""A home's Envoys, asked at their admin sockets → whom each trusts and what it shows by now: its files only tell what it should."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from .objects.kinds import Key
from .processes.rundir import admin_socket, run_dir

_SECONDS = 5.0


class InForce(NamedTuple):
    """Of one Envoy, PEM: the roots of each of its TLS contexts, and the certificate chains of its secrets by their names."""

    trusted: list[str]
    shown: dict[str, str]


def everywhere(home: Path) -> Iterator[InForce]:
    """Of every Envoy that answers."""
    for path in sorted(run_dir(home).glob("*.admin")):
        if found := _ask(path):
            yield found


def of_pod(home: Path, pod: Key) -> InForce | None:
    return _ask(admin_socket(run_dir(home), pod))


def _ask(path: Path) -> InForce | None:
    """None where none answers: it is not up yet, and will start from what is written, or it is gone."""
    try:
        listeners = [one.get("active_state") for one in _configs(path, "dynamic_listeners")]
        clusters = _configs(path, "dynamic_active_clusters")
        secrets = [one.get("secret") or {} for one in _configs(path, "dynamic_active_secrets")]
    except (OSError, ValueError, http.client.HTTPException):
        return None
    shown = {
        one["name"]: one["tls_certificate"]["certificate_chain"].get("inline_string", "")
        for one in secrets
        if "tls_certificate" in one
    }
    return InForce(list(_trusted([listeners, clusters])), shown)


def _configs(path: Path, resource: str) -> list[Any]:
    connection = http.client.HTTPConnection("admin", timeout=_SECONDS)
    connection.sock = socket.socket(socket.AF_UNIX)
    try:
        connection.sock.settimeout(_SECONDS)
        connection.sock.connect(str(path))
        connection.request("GET", f"/config_dump?resource={resource}")
        found: list[Any] = json.load(connection.getresponse()).get("configs") or []
    finally:
        connection.close()
    return found


def _trusted(config: Any) -> Iterator[str]:
    if isinstance(config, dict):
        if text := (config.get("trusted_ca") or {}).get("inline_string"):
            yield text
        config = list(config.values())
    for child in config if isinstance(config, list) else ():
        yield from _trusted(child)
