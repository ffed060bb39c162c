"""Imports paid once → processes that serve a few milliseconds after they are asked for: forked from a warm parent.

`python -m iiab_lab.runtimes.warm [--once] MODULE,…` with a socket for standard input. It imports the modules, lets those that
have a `prepare()` do what is the same for everybody, and keeps a few forked spares that wait on the socket. A spare takes one
request, answers, and is from then on what `python -m MODULE …` would have been. The parent forks others in its place, and
never predicts. One JSON object a packet, ended by a newline:

    → {"id", "argv", "env", "cwd", "log"}   ← {"id", "pid"} or {"id", "why"}

A spare is nobody's child here: it is forked twice, so that whoever started the parent adopts, reaps and signals it, and no
server minds when the parent dies. With `--once`, where forking is unsafe, the process itself is the spare.
"""

from __future__ import annotations

import argparse
import atexit
import contextlib
import ctypes
import gc
import json
import os
import select
import signal
import socket
import sys
import tempfile
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from ..errors import Unsupported
from . import confined

LINUX = sys.platform == "linux"
_SET_PARENT_DEATH_SIGNAL = 1
_SPARES, _QUIET = 4, 0.5  # two Pods at once, an initializer and a server each; seconds
# What Python and its libraries read when they are loaded: who wants it otherwise than it was is started anew.
_READ_AT_IMPORT = (
    *("PYTHON", "LD_", "DYLD_", "LANG", "LC_", "TZ", "OMP_", "OPENBLAS_", "MKL_", "SKLEARN_", "KSERVE_"),
    *("WEB_CONCURRENCY", "FORWARDED_ALLOW_IPS"),
)


def main() -> int:
    """Until the socket is closed; in a spare, whatever the module's `main()` returns."""
    parser = argparse.ArgumentParser(prog="python -m iiab_lab.runtimes.warm", description="Forks model servers.")
    parser.add_argument("--once", action="store_true", help="be the spare instead of forking it")
    parser.add_argument("modules", metavar="MODULE,…", help="what to import")
    parser.add_argument(
        "room", nargs="?", help="blanks: a process shows no more arguments than fit where it got its first"
    )
    arguments = parser.parse_args()
    title([word for word in sys.orig_argv if word.strip()])
    channel = _channel()
    sys.argv[1:] = []  # KServe parses it at import
    modules = {name: _prepared(name) for name in arguments.modules.split(",")}
    gc.collect()
    gc.freeze()  # the collector's marks would copy every page they touch
    if arguments.once:
        return _wait(channel, modules, None)
    claim = _keep_spares()
    return 1 if claim is None else _wait(channel, modules, claim)


def title(argv: Sequence[str]) -> None:
    """What `ps` shows; no longer than the arguments were at first, and on Linux alone."""
    if LINUX:
        fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        begin, room = int(fields[45]), int(fields[46]) - int(fields[45])
        ctypes.memmove(begin, "\0".join(argv).encode()[: room - 1].ljust(room, b"\0"), room)


def _channel() -> socket.socket:
    channel = socket.socket(fileno=os.dup(0))
    _point(os.devnull, os.O_RDONLY, 0)
    return channel


def _prepared(name: str) -> ModuleType:
    """What `python -m NAME` runs; of a package, that is its `__main__`."""
    module = import_module(name)
    if hasattr(module, "__path__"):
        module = import_module(f"{name}.__main__")
    if hasattr(module, "prepare"):
        module.prepare()
    return module


def _keep_spares() -> int | None:
    """In a spare, the pipe by which it tells that it is claimed; in the parent None, when a spare ended unclaimed."""
    owner, waiting = os.getppid(), list[int]()
    while True:
        # While others are just starting, a fork would only take their cores: it can wait for as long as there is a spare.
        pause = None if len(waiting) == _SPARES else _QUIET if waiting else 0.0
        told_now = select.select(waiting, [], [], pause)[0]
        for told in told_now:
            waiting.remove(told)
            claimed = os.read(told, 1)
            os.close(told)
            if not claimed:
                return None
        if not told_now:
            _one_thread()
            told, tell = os.pipe()
            if _orphan(owner):
                return tell
            os.close(tell)
            waiting.append(told)


def _one_thread() -> None:
    """A fork takes one thread along, and the locks that the others hold for ever."""
    threads = len(os.listdir("/proc/self/task"))
    if threads != 1:
        raise Unsupported(f"{threads} threads run, so it does not fork.", "see which import of a runtime starts one")


def _orphan(owner: int) -> bool:
    """Forks twice: True in the grandchild, once `owner` has adopted it."""
    go, let_go = os.pipe()
    between = os.fork()
    if between:
        os.close(go)
        os.waitpid(between, 0)
        os.write(let_go, b"1")
        os.close(let_go)
        return False
    if os.fork():
        os._exit(0)
    os.close(let_go)
    told = os.read(go, 1)  # only then: the signal of the parent's death must mean the owner's, not the one's between
    os.close(go)
    os.setsid()
    ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)
    if not told or os.getppid() != owner:
        os._exit(1)
    return True


def _wait(channel: socket.socket, modules: Mapping[str, ModuleType], claim: int | None) -> int:
    """A spare's life: one request, and then that program. Whoever asks no more gets no answer, and no process."""
    with channel:
        line = b""
        while not line.endswith(b"\n"):
            line += (chunk := channel.recv(1 << 20))
            if not chunk:
                return 0
        request = json.loads(line)
        if claim is not None:
            with contextlib.suppress(BrokenPipeError):  # the parent may be dead
                os.write(claim, b"1")
        answer: dict[str, Any] = {"id": request["id"]}
        try:
            os.chdir(request["cwd"])
            _point(request["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 1, 2)
            answer["pid"] = os.getpid()
        except OSError as error:
            answer["why"] = str(error)
        try:
            channel.sendall(json.dumps(answer).encode() + b"\n")
        except OSError:
            return 1
    return _become(request["argv"], request["env"], modules) if "pid" in answer else 1


def _become(argv: list[str], environment: Mapping[str, str], modules: Mapping[str, ModuleType]) -> int:
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    given = confined.own(environment)
    meant, asked = (argv[3:], given.environment) if given else (argv, environment)
    module = modules.get(meant[2]) if meant[1:2] == ["-m"] else None
    if module is None or _at_import(asked) != _at_import(os.environ) or not _suits(module, meant[3:]):
        os.execve(argv[0], argv, dict(environment))  # noqa: S606 - there is no shell to want
    argv, environment = meant, confined.enter(given) if given else environment
    title(argv)
    os.environ.clear()
    os.environ.update(environment)
    tempfile.tempdir = None
    sys.path[0], sys.argv[:] = os.getcwd(), [str(module.__file__), *argv[3:]]
    code: int = module.main()
    # Python would take every module apart before it ends, and copy each page it shares: that takes longer than its work.
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code)


def _at_import(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name.startswith(_READ_AT_IMPORT)}


def _suits(module: ModuleType, arguments: list[str]) -> bool:
    """Whether a module that decides something at import, by its arguments, would have decided the same for these."""
    return not hasattr(module, "suits") or bool(module.suits(arguments))


def _point(path: str, flags: int, *descriptors: int) -> None:
    opened = os.open(path, flags, 0o600)
    for descriptor in descriptors:
        os.dup2(opened, descriptor)
    os.close(opened)


if __name__ == "__main__":
    sys.exit(main())
