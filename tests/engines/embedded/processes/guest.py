"""A program that says how the world looks to it, and then does what its argument says. A warm parent can import it."""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import tempfile
import threading
from pathlib import Path

import __main__

if os.environ.get("GUEST_THREAD"):
    threading.Thread(target=threading.Event().wait, daemon=True).start()


def suits(arguments: list[str]) -> bool:
    return "unsuitable" not in arguments


def main() -> int:
    world = {
        "forked": __main__.__spec__.name == "iiab_lab.runtimes.warm",
        "argv": sys.argv[1:],
        "title": Path("/proc/self/cmdline").read_text().rstrip("\0").split("\0"),
        "environment": dict(os.environ),
        "cwd": [os.getcwd(), sys.path[0]],
        "scratch": tempfile.gettempdir(),
        "parent": os.getppid(),
        "leads": [os.getsid(0), os.getpgrp()] == [os.getpid()] * 2,
        # The last one reads this very folder.
        "descriptors": [os.readlink(f"/proc/self/fd/{number}") for number in sorted(os.listdir("/proc/self/fd"))[:-1]],
        "signals": [signal.getsignal(number) == signal.SIG_DFL for number in (signal.SIGTERM, signal.SIGCHLD)],
        "chance": random.random(),
    }
    print(json.dumps(world), flush=True)
    if "wait" in sys.argv:
        signal.pause()
    return int(sys.argv[1]) if sys.argv[1:2] and sys.argv[1].isdigit() else 0


if __name__ == "__main__":
    sys.exit(main())
