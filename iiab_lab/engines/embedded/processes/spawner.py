"""Commands on a socket → child processes, each in a session of its own; their ends → events on the same socket.

Run as a program, single-threaded and with nothing but the standard library, so that it starts in milliseconds, forks
safely and hardly ever has a reason to die. When the other end of the socket closes, it kills every child and ends:
nothing survives whatever dies. One JSON object per line:

    → {"do": "start", "id", "argv", "env", "cwd", "log"}   → {"do": "signal", "id", "signal"}
    ← {"is": "started", "id", "pid"}   ← {"is": "failed", "id", "why"}   ← {"is": "ended", "id", "code", "signal"}
"""

import contextlib
import ctypes
import json
import os
import select
import signal
import socket
import subprocess
import sys

LINUX = sys.platform == "linux"
_LIBC = ctypes.CDLL(None, use_errno=True) if LINUX else None
_SET_PARENT_DEATH_SIGNAL, _SET_CHILD_SUBREAPER = 1, 36


class Spawner:
    def __init__(self, channel: socket.socket, wake: int) -> None:
        self._channel, self._wake = channel, wake
        self._ids: dict[int, str] = {}  # pid → id
        self._pids: dict[str, int] = {}

    def run(self) -> None:
        received = b""
        while True:
            readable, _, _ = select.select([self._channel.fileno(), self._wake], [], [])
            if self._wake in readable:
                os.read(self._wake, 4096)
                self._reap()
            if self._channel.fileno() in readable:
                chunk = self._channel.recv(65536)
                if not chunk:
                    return
                *lines, received = (received + chunk).split(b"\n")
                for line in lines:
                    self._obey(json.loads(line))

    def _obey(self, command: dict) -> None:
        if command["do"] == "start":
            self._start(command)
        elif pid := self._pids.get(command["id"]):
            _signal_group(pid, command["signal"])

    def _start(self, command: dict) -> None:
        try:
            log = os.open(command["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        except OSError as error:
            return self._say(**{"is": "failed", "id": command["id"], "why": str(error)})
        try:
            process = subprocess.Popen(
                command["argv"],
                env=command["env"],
                cwd=command["cwd"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=_die_with_parent if LINUX else None,
            )
        except OSError as error:
            return self._say(**{"is": "failed", "id": command["id"], "why": str(error)})
        finally:
            os.close(log)
        # This loop reaps, and reports by pid; a Popen object without a return code would be polled, and reaped, elsewhere.
        process.returncode, pid = 0, process.pid
        self._ids[pid], self._pids[command["id"]] = command["id"], pid
        self._say(**{"is": "started", "id": command["id"], "pid": pid})

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            name = self._ids.pop(pid, None)
            if name is None:
                continue  # an orphan of a child, adopted because we are the subreaper
            _signal_group(pid, signal.SIGKILL)  # what it leaves behind in its session
            if self._pids.get(name) == pid:
                del self._pids[name]
            code = os.waitstatus_to_exitcode(status)
            self._say(**{"is": "ended", "id": name, "code": 128 - code if code < 0 else code, "signal": max(0, -code)})

    def kill_all(self) -> None:
        for pid in list(self._ids):
            _signal_group(pid, signal.SIGKILL)
        while pids := {*self._ids, *_adopted()}:
            for pid in pids - self._ids.keys():
                _signal_group(pid, signal.SIGKILL)
            try:
                ended, _ = os.waitpid(-1, 0)
            except ChildProcessError:
                return
            self._ids.pop(ended, None)

    def _say(self, **event: object) -> None:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # a closed channel shows at the next recv
            self._channel.sendall(json.dumps(event).encode() + b"\n")


def _signal_group(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS forbids to signal a group of zombies
        os.killpg(pid, number)


def _adopted() -> set[int]:
    if not LINUX:
        return set()
    with open(f"/proc/self/task/{os.getpid()}/children") as file:
        return {int(pid) for pid in file.read().split()}


def _die_with_parent() -> None:
    """Safe here and only here: this parent has one thread, so its end is the process's end."""
    assert _LIBC is not None
    _LIBC.prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)


def main() -> None:
    channel = socket.socket(fileno=int(sys.argv[1]))
    if _LIBC is not None:
        _LIBC.prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    # Its life is the channel's. A handler that does nothing, because children would inherit SIG_IGN.
    for number in (signal.SIGCHLD, signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: None)
    spawner = Spawner(channel, reader)
    try:
        spawner.run()
    finally:
        spawner.kill_all()


if __name__ == "__main__":
    main()
