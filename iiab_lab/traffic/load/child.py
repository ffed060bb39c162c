"""One run's order → the generator's process, its frames as they come, and its end. It ends with the pipe, whoever dies."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping
from typing import Any

from ... import follow
from .wire import frames

_PATIENCE = 15.0  # seconds for a run that was stopped


class Child:
    """`take` gets each frame, `over` is called once, when the process is gone; both in a thread of the child's own."""

    def __init__(self, order: Mapping[str, Any], take: Callable[[Any], None], over: Callable[[], None]) -> None:
        self._take, self._over, self._gone = take, over, threading.Event()
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as the child writes
        # In a session of its own, Ctrl-C reaches the parent alone, which stops it and keeps what was measured.
        self._process = subprocess.Popen(
            [sys.executable, "-m", "iiab_lab.traffic.load"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            start_new_session=True,
        )
        self.key = f"load {self._process.pid}"
        threading.Thread(target=self._read, daemon=True, name=self.key).start()
        self._tell(json.dumps(order).encode())
        follow.register(self.key, self)

    @property
    def pid(self) -> int:
        return self._process.pid

    def stop(self) -> None:
        """What is in flight has a second to come back, and then the process is gone; killed, if it does not go."""
        self._tell(b"stop")
        if not self._gone.wait(_PATIENCE):
            self.kill()

    def kill(self) -> None:
        self._process.kill()
        self._gone.wait()

    def last_words(self) -> str:
        """The last line of what it wrote on stderr, for whoever has to say why it ended early."""
        self._said.seek(0)
        lines = self._said.read().decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else f"exit code {self._process.returncode}"

    def _tell(self, line: bytes) -> None:
        assert self._process.stdin
        with contextlib.suppress(OSError, ValueError):  # it has just ended, and the pipe with it
            self._process.stdin.write(line + b"\n")
            self._process.stdin.flush()

    def _read(self) -> None:
        try:
            with contextlib.suppress(OSError), self._process:  # which closes the pipes and reaps
                assert self._process.stdout
                for frame in frames(self._process.stdout):
                    self._take(frame)
        finally:
            follow.forget(self.key)
            self._over()
            self._gone.set()
