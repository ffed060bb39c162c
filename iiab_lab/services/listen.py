"""Which socket a program of the platform listens on for one of its containerPorts.

On a cluster that is the port itself. The embedded engine has no network namespaces, so it says in the environment where
the port is: behind a sidecar a unix socket (`IIAB_SOCKET_<port>`), else a port of its own on loopback (`IIAB_PORT_<port>`).
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Mapping

OPENED = "IIAB_FD_"  # and the containerPort: the descriptor of a socket that is bound already


def listening(port: int) -> socket.socket:
    """A bound TCP or unix socket for the server to listen on."""
    opened = os.environ.get(f"{OPENED}{port}")
    return socket.socket(fileno=int(opened)) if opened else bound(port, os.environ)


def bound(port: int, environment: Mapping[str, str]) -> socket.socket:
    if path := environment.get(f"IIAB_SOCKET_{port}"):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        unix = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        unix.bind(path)
        return unix
    own = environment.get(f"IIAB_PORT_{port}")
    # IPPROTO_TCP is explicit: asyncio sets TCP_NODELAY only on sockets that say so, and without it answers wait 40 ms.
    tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    tcp.bind(("127.0.0.1", int(own)) if own else ("0.0.0.0", port))  # noqa: S104 - a container's own namespace
    return tcp
