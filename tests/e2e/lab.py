"""One platform of a test's own: a temporary home, free ports, the command line as a user runs it."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import requests

PREDICT = "/v1/models/sklearn-iris:predict"
SETOSA = {"instances": [[5.1, 3.5, 1.4, 0.2]]}


class Lab:
    """The platform in `home`, driven by `iiab` in a process of its own."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith("IIAB_")}
        self.environment |= {"IIAB_HOME": str(home), "IIAB_PORTS": "auto", "KUBECONFIG": str(home / "kubeconfig")}

    def iiab(self, *words: str, check: bool = True, **environment: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "iiab_lab.cli", *words],
            env=self.environment | environment,
            capture_output=True,
            text=True,
            timeout=240,
        )
        assert not check or done.returncode == 0, f"iiab {' '.join(words)}: {done.stdout}{done.stderr}{self.log()}"
        return done

    def log(self) -> str:
        path = self.home / "control-plane.log"
        return "\n--- control-plane.log ---\n" + path.read_text()[-4000:] if path.exists() else ""

    def kubectl(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return self.iiab("kubectl", *words, check=check)

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.iiab("status", "--json", check=False).stdout)
        return found

    def url(self, endpoint: str) -> str:
        found: str = self.status()["endpoints"][endpoint]
        return found

    def token(self, tenant: str) -> str:
        return self.iiab("token", tenant).stdout.strip()

    def control_plane(self) -> psutil.Process:
        return psutil.Process(json.loads((self.home / "platform.json").read_text())["pid"])

    def processes(self) -> list[psutil.Process]:
        """The control plane and everything below it, however deep."""
        root = self.control_plane()
        return [root, *root.children(recursive=True)]


@contextlib.contextmanager
def running(home: Path) -> Iterator[Lab]:
    lab = Lab(home)
    try:
        lab.iiab("up")
        yield lab
    finally:
        lab.iiab("down", check=False)


def eventually(holds: Callable[[], Any], seconds: float = 30) -> Any:
    """The first truthy answer; the failure shows the last one. For states nobody announces."""
    deadline = time.monotonic() + seconds
    last: Any = None
    while time.monotonic() < deadline:
        try:
            last = holds()
            if last:
                return last
        except (requests.RequestException, AssertionError, psutil.Error) as error:
            last = error
        time.sleep(0.05)
    raise AssertionError(f"not within {seconds} s; last seen: {last!r}")
