"""A pickle that is code: what it tries when it is loaded, and what it reports of each. Harmless: it reads, and looks.

Its source is carried inside the pickle, so nothing of it needs to be installed where it is loaded.
"""

from __future__ import annotations

import inspect
import json
import pickle
from pathlib import Path


def attempt(targets: dict) -> dict:
    """name → "done", or the name of the error. Imports stand inside: this source is all that travels."""
    import ctypes
    import os
    import pathlib
    import resource
    import signal
    import socket
    import subprocess

    def tcp(port: int) -> None:
        socket.create_connection(("127.0.0.1", port), 2).close()

    def to_socket(path: str) -> None:
        socket.socket(socket.AF_UNIX).connect(path)

    def inherited(path: str) -> None:
        """A datagram to a name, from a pair that needs no socket()."""
        one, _ = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        one.connect(path)

    def raw(number: int, *arguments: int) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.syscall(number, *arguments) < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

    doing = {
        "read": lambda path: pathlib.Path(path).read_bytes(),
        "list": os.listdir,
        "write": lambda path: pathlib.Path(path).write_text("x"),
        "link": lambda path: os.symlink("/etc", path),
        "chmod": lambda path: os.chmod(path, 0o600),
        "truncate": lambda path: os.truncate(path, os.stat(path).st_size),
        "touch": lambda path: os.utime(path),
        "tcp": tcp,
        "udp": lambda port: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"", ("127.0.0.1", port)),
        "unix": to_socket,
        "pair": inherited,
        "signal": lambda pid: os.kill(pid, 0),
        "pidfd": lambda pid: signal.pidfd_send_signal(os.pidfd_open(pid), 0),
        "priority": lambda pid: os.setpriority(os.PRIO_PROCESS, pid, 0),
        "limit": lambda pid: resource.prlimit(pid, resource.RLIMIT_CORE),
        "run": lambda program: subprocess.run([program], check=True),
        "io_uring": lambda entries: raw(425, entries, ctypes.addressof(ctypes.create_string_buffer(256))),
    }
    said = {}
    for name, (kind, target) in targets.items():
        try:
            doing[kind](target)
            said[name] = "done"
        except BaseException as error:
            said[name] = type(error).__name__
    return said


class Hostile:
    """Unpickled, it runs `attempt`, writes what came of it to standard output, and is then what `inner` says."""

    def __init__(self, targets: dict, inner: object = None) -> None:
        self.targets, self.inner = targets, inner

    def __reduce__(self) -> tuple:
        code = f"{inspect.getsource(attempt)}\nimport json\nprint('REPORT', json.dumps(attempt({self.targets!r})), flush=True)"
        nothing = pickle.dumps(self.inner)
        return eval, (f"(exec({code!r}, {{}}), __import__('pickle').loads({nothing!r}))[1]",)


def reported(log: str) -> dict[str, str]:
    line = next(line for line in log.splitlines() if line.startswith("REPORT "))
    found: dict[str, str] = json.loads(line.removeprefix("REPORT "))
    return found


def save(targets: dict, inner: object, file: Path) -> Path:
    file.write_bytes(pickle.dumps(Hostile(targets, inner)))
    return file
