"""Source code → a program in a session of its own, which is killed as a whole in the end."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator

Start = Callable[[str], tuple[int, int]]


@contextlib.contextmanager
def started(prelude: str) -> Iterator[Start]:
    """A function that runs `prelude` and a program → (its pid, the pid that it says once it is there)."""
    with contextlib.ExitStack() as stack:

        def run(code: str) -> tuple[int, int]:
            argv = [sys.executable, "-c", prelude + code]
            process = stack.enter_context(
                subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, start_new_session=True)
            )
            stack.callback(_end, process.pid)
            assert process.stdout
            return process.pid, int(process.stdout.readline())

        yield run


def _end(session: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(session, signal.SIGKILL)
