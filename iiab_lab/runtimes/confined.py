"""A program of somebody who is not trusted, and what is its own → that program, which reaches nothing else from its first line.

`python -m iiab_lab.runtimes.confined PROGRAM [ARGUMENT …]`, PROGRAM as `python -m MODULE` or a binary's path. `IIAB_CONFINED`
in the environment says, as JSON, what is its own (`Own`). Its arguments and variables are its owner's and may name anything, so
the walls stand before either is looked at: its sockets are opened, the rest is given up, and only then is its environment
in force. What Python and the loader of libraries read at their start (`PYTHON…`, `LD_…`) is therefore never heard.
"""

from __future__ import annotations

import json
import os
import runpy
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from ..services import listen
from .confine import confine

MODULE, VARIABLE = "iiab_lab.runtimes.confined", "IIAB_CONFINED"


@dataclass(frozen=True)
class Own:
    """`listens`: containerPorts whose sockets `environment` names. `connects`: ports on TCP, None for any."""

    environment: dict[str, str]
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    listens: tuple[int, ...] = ()
    connects: tuple[int, ...] | None = ()

    def words(self) -> dict[str, str]:
        """For the environment of `python -m iiab_lab.runtimes.confined`."""
        return {VARIABLE: json.dumps(asdict(self))}


def own(environment: Mapping[str, str]) -> Own | None:
    """None for a program that nobody confines."""
    return Own(**json.loads(environment[VARIABLE])) if VARIABLE in environment else None


def enter(given: Own, program: str = "") -> dict[str, str]:
    """For ever → the program's environment. `program`: the one binary that can still be started, if any."""
    sockets = {f"{listen.OPENED}{port}": _opened(port, given.environment) for port in given.listens}
    runs = [Path(program)] if program else []
    confine(map(Path, given.reads), map(Path, given.writes), runs=runs, connects=given.connects)
    return {**given.environment, **sockets}


def _opened(port: int, environment: Mapping[str, str]) -> str:
    opened = listen.bound(port, environment)
    opened.set_inheritable(True)
    return str(opened.detach())


def main() -> int:
    given, program = own(os.environ), sys.argv[1:]
    assert given, f"{VARIABLE} says what is the program's own"
    if program[1:2] != ["-m"]:
        os.execve(program[0], program, enter(given, program[0]))  # noqa: S606 - there is no shell to want
    _set(enter(given))
    _run(program[2], program[3:])
    return 0


def _set(environment: Mapping[str, str]) -> None:
    os.environ.clear()
    os.environ.update(environment)


def _run(module: str, arguments: Sequence[str]) -> None:
    sys.argv[1:] = arguments
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    sys.exit(main())
