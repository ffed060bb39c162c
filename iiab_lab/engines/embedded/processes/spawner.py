"""Commands on a socket → child processes, each in a session of its own; their ends → events on the same socket.

Run as a program, single-threaded and with nothing but the standard library, so that it starts in milliseconds, forks
safely and hardly ever has a reason to die. When the other end of the socket closes, it kills every child and ends:
nothing survives whatever dies. One JSON object per line:

    → {"do": "start", "id", "argv", "env", "cwd", "log"}   → {"do": "signal", "id", "signal"}
    ← {"is": "started", "id", "pid"}   ← {"is": "failed", "id", "why"}   ← {"is": "ended", "id", "code", "signal"}

A start with "warm": NAME is claimed from the warm parent (iiab_lab/runtimes/warm.py) of that name; where there is none, where
it ends or does not answer, the program is executed as any other. A warm parent is restarted for as long as this runs:

    → {"do": "warm", "id": NAME, "argv", "env", "cwd", "log", "most": how many claims may wait for it at once}
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
import time

LINUX = sys.platform == "linux"
_LIBC = ctypes.CDLL(None, use_errno=True) if LINUX else None
_SET_PARENT_DEATH_SIGNAL, _SET_CHILD_SUBREAPER = 1, 36
_PATIENCE, _LONG, _LONGEST_PAUSE = 20.0, 60.0, 60.0  # seconds


class Warm:
    """A warm parent: how to start it, the socket to it while it runs, and the starts that it has not answered."""

    def __init__(self, recipe: dict) -> None:
        self.recipe = recipe
        self.channel: socket.socket | None = None
        self.pid = 0
        self.asked: dict[str, dict] = {}
        self._received = b""
        self._failures, self._served = 0, False
        self.due = 0.0  # when to start it, or, while starts wait for it, when to give it up
        self._since = 0.0

    def opened(self, channel: socket.socket, pid: int) -> None:
        self.channel, self.pid, self._received = channel, pid, b""
        self._since, self._served, self.due = time.monotonic(), False, 0.0

    def ask(self, command: dict) -> bool:
        """Whether it takes one more; while it still imports, the socket keeps the request."""
        if self.channel is None or len(self.asked) >= self.recipe["most"]:
            return False
        try:
            self.channel.sendall(json.dumps(command).encode() + b"\n")
        except OSError:
            return False
        self.asked[command["id"]] = command
        self.due = self.due or time.monotonic() + _PATIENCE
        return True

    def answers(self) -> list[dict] | None:
        """None when there will be no more."""
        assert self.channel
        try:
            chunk = self.channel.recv(65536)
        except ConnectionError:
            return []  # told once, and before what is still to be read: requests that nobody took were lost
        if not chunk:
            return None
        *lines, self._received = (self._received + chunk).split(b"\n")
        self._served = True
        return [json.loads(line) for line in lines]

    def answered(self, id: str) -> None:
        del self.asked[id]
        self.due = time.monotonic() + _PATIENCE if self.asked else 0.0

    def dismiss(self) -> None:
        """A spare that has not answered yet cannot any more, and ends; what is on its way can still be read."""
        if self.channel:
            if self.pid:
                _signal_group(self.pid, signal.SIGKILL)
            with contextlib.suppress(OSError):
                self.channel.shutdown(socket.SHUT_RDWR)

    def closed(self) -> list[dict]:
        """→ the starts that it leaves behind. It is due again at once, or after a pause if it never was of use."""
        assert self.channel
        self.channel.close()
        self.channel, now = None, time.monotonic()
        self._failures = 0 if self._served or now - self._since > _LONG else self._failures + 1
        self.due = now + (min(_LONGEST_PAUSE, 2.0**self._failures) if self._failures else 0.0)
        left, self.asked = list(self.asked.values()), {}
        return left


class Spawner:
    def __init__(self, channel: socket.socket, wake: int) -> None:
        self._channel, self._wake = channel, wake
        self._ids: dict[int, str] = {}  # pid → id
        self._pids: dict[str, int] = {}
        self._warm: dict[str, Warm] = {}

    def run(self) -> None:
        received = b""
        while True:
            heard: list[socket.socket | int] = [self._channel, self._wake]
            heard += [warm.channel for warm in self._warm.values() if warm.channel]
            readable, _, _ = select.select(heard, [], [], self._pause())
            self._hear()
            self._attend()
            if self._wake in readable:
                os.read(self._wake, 4096)
                self._reap()
            if self._channel in readable:
                chunk = self._channel.recv(65536)
                if not chunk:
                    return
                *lines, received = (received + chunk).split(b"\n")
                for line in lines:
                    self._obey(json.loads(line))

    def _obey(self, command: dict) -> None:
        if command["do"] == "start":
            warm = self._warm.get(command.get("warm", ""))
            if warm is None or not warm.ask(command):
                self._start(command)
        elif command["do"] == "warm":
            self._warm[command["id"]] = Warm(command)
            self._attend()
        elif pid := self._pids.get(command["id"]):
            _signal_group(pid, command["signal"])

    def _start(self, command: dict) -> None:
        try:
            pid = _execute(command)
        except OSError as error:
            return self._say(**{"is": "failed", "id": command["id"], "why": str(error)})
        self._started(command["id"], pid)

    def _started(self, id: str, pid: int) -> None:
        self._ids[pid], self._pids[id] = id, pid
        self._say(**{"is": "started", "id": id, "pid": pid})

    def _pause(self) -> float | None:
        dues = [warm.due for warm in self._warm.values() if warm.due]
        return max(0.0, min(dues) - time.monotonic()) if dues else None

    def _attend(self) -> None:
        now = time.monotonic()
        for warm in self._warm.values():
            if warm.channel is None and warm.due <= now:
                self._warm_up(warm)
            elif warm.channel and warm.due and warm.due <= now:
                warm.due = 0.0
                warm.dismiss()

    def _warm_up(self, warm: Warm) -> None:
        # Packets, because several spares read there. macOS has none for unix sockets, and one spare at a time.
        ours, theirs = socket.socketpair(type=socket.SOCK_SEQPACKET if LINUX else socket.SOCK_STREAM)
        with theirs:
            try:
                pid = _execute(warm.recipe, theirs.fileno())
            except OSError:
                pid = 0
        warm.opened(ours, pid)  # if there is no process, the socket is closed: that is heard next
        if pid:
            self._ids[pid] = warm.recipe["id"]

    def _hear(self) -> None:
        """What the warm parents' spares answer."""
        waiting = {warm.channel: warm for warm in self._warm.values() if warm.channel}
        for channel in select.select(list(waiting), [], [], 0)[0]:
            warm = waiting[channel]
            answers = warm.answers()
            for answer in answers or ():
                self._claimed(warm, answer)
            if answers is None:
                for command in warm.closed():
                    self._start(command)

    def _claimed(self, warm: Warm, answer: dict) -> None:
        warm.answered(answer["id"])
        if "why" in answer:
            return self._say(**{"is": "failed", **answer})
        if answer["pid"] == warm.pid:
            warm.pid = 0  # where forking is unsafe, the one that waited is the one that serves
        self._started(answer["id"], answer["pid"])

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid not in self._ids:
                self._hear()  # a claimed process can end before its answer is read
            name = self._ids.pop(pid, None)
            if name is None:
                continue  # an orphan of a child, adopted because we are the subreaper
            _signal_group(pid, signal.SIGKILL)  # what it leaves behind in its session
            if warm := self._warm.get(name):
                if warm.pid == pid:
                    warm.dismiss()
                continue
            if self._pids.get(name) == pid:
                del self._pids[name]
            code = os.waitstatus_to_exitcode(status)
            self._say(**{"is": "ended", "id": name, "code": 128 - code if code < 0 else code, "signal": max(0, -code)})

    def kill_all(self) -> None:
        for warm in self._warm.values():
            warm.dismiss()
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


def _execute(command: dict, stdin: int = subprocess.DEVNULL) -> int:
    """→ pid; raises OSError."""
    log = os.open(command["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        process = subprocess.Popen(
            command["argv"],
            env=command["env"],
            cwd=command["cwd"],
            stdin=stdin,
            stdout=log,
            stderr=log,
            start_new_session=True,
            preexec_fn=_die_with_parent if LINUX else None,
        )
    finally:
        os.close(log)
    # The loop reaps, and reports by pid; a Popen object without a return code would be polled, and reaped, elsewhere.
    process.returncode = 0
    return process.pid


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
