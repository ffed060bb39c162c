"""IIAB_PORTS and what is free on this machine → the platform's port map.

`IIAB_PORTS` is "" (the defaults of the command line's table), "auto" (free ports, kept for the life of the home), or
`name=port,…` to move single ones.
"""

from __future__ import annotations

import json
import socket
from pathlib import Path

import psutil

from ..errors import PortTaken, UsageError

DEFAULTS = {
    "gateway": 8080,
    "gateway_tls": 8443,
    "management": 8085,
    "prometheus": 9090,
    "alertmanager": 9093,
    "kubernetes": 6443,
}


def choose(setting: str, remembered: Path) -> dict[str, int]:
    """name → port. Automatic ports are remembered in a file, so a platform comes back where it was."""
    if setting == "auto":
        return _automatic(remembered)
    ports = DEFAULTS | _parse(setting)
    if len(set(ports.values())) < len(ports):
        raise UsageError(f"Two endpoints share a port: {ports}.", "give each its own in --ports, or --ports auto")
    return ports


def require_free(ports: dict[str, int]) -> None:
    """Raises PortTaken with the owner of the first taken port and the flag that moves it."""
    for name, port in ports.items():
        if not is_free(port):
            raise PortTaken(
                f"Port {port} ({name}) is taken by {owner(port)}.",
                f"stop it, or move ours: iiab up --ports {name}=PORT, or take any free ports: iiab up --ports auto",
            )


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As the servers do it: a closed connection in TIME_WAIT does not count as taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def owner(port: int) -> str:
    """`nginx (pid 4711)`, as far as the operating system tells."""
    try:
        listening = [
            c for c in psutil.net_connections("tcp") if c.laddr and c.laddr.port == port and c.status == "LISTEN"
        ]
        pid = next(c.pid for c in listening if c.pid)
        return f"{psutil.Process(pid).name()} (pid {pid})"
    except (StopIteration, psutil.Error):
        return "another program, whose name this user may not see"


def _parse(setting: str) -> dict[str, int]:
    given: dict[str, int] = {}
    for part in filter(None, setting.split(",")):
        name, _, port = part.partition("=")
        if name not in DEFAULTS or not port.isdigit() or not 1 <= int(port) <= 65535:
            raise UsageError(
                f"--ports does not understand {part!r}.",
                f"write NAME=PORT with a name of {', '.join(DEFAULTS)}, or auto",
            )
        given[name] = int(port)
    return given


def _automatic(remembered: Path) -> dict[str, int]:
    if remembered.exists():
        before: dict[str, int] = json.loads(remembered.read_text())
        if before.keys() == DEFAULTS.keys() and all(map(is_free, before.values())):
            return before
    sockets = [socket.socket() for _ in DEFAULTS]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = {name: one.getsockname()[1] for name, one in zip(DEFAULTS, sockets, strict=True)}
    for one in sockets:
        one.close()
    remembered.parent.mkdir(parents=True, exist_ok=True)
    remembered.write_text(json.dumps(ports))
    return ports
