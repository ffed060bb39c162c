"""A Pod's containerPorts → ports of its own on 127.0.0.1, below the range the system hands out by itself."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from ...ports import is_free

_FIRST, _LAST = 20_000, 32_000


class PortPool:
    """`host_ports` maps what a manifest says (80) to what this platform uses (8080). Two homes start far apart."""

    def __init__(self, home: Path, host_ports: Mapping[int, int]) -> None:
        self._host_ports = host_ports
        self._held: dict[int, str] = {}  # port → uid
        seed = int.from_bytes(hashlib.sha256(str(home).encode()).digest()[:4])
        self._next = _FIRST + seed % (_LAST - _FIRST)

    def take(self, pod: Path, uid: str, wanted: Mapping[int, int]) -> dict[int, int]:
        """The same answer for the same Pod, after a restart too: what was taken is kept in `<pod>/ports.json`."""
        file = pod / "ports.json"
        before = {int(k): v for k, v in json.loads(file.read_text()).items()} if file.exists() else {}
        ports = {
            port: self._host_ports.get(host, host) if host else self._own(uid, before.get(port, 0))
            for port, host in wanted.items()
        }
        if ports != before:
            file.write_text(json.dumps(ports))
        return ports

    def release(self, uid: str) -> None:
        self._held = {port: holder for port, holder in self._held.items() if holder != uid}

    def _own(self, uid: str, before: int) -> int:
        if before and (self._held.get(before) == uid or (before not in self._held and is_free(before))):
            self._held[before] = uid
            return before
        while self._next in self._held or not is_free(self._next):
            self._advance()
        port = self._next
        self._advance()
        self._held[port] = uid
        return port

    def _advance(self) -> None:
        self._next = self._next + 1 if self._next + 1 < _LAST else _FIRST
