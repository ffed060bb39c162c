"""The real kubectl, where it is installed, as one who types would use it: in a namespace of the test's own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

KUBECTL = [path for path in [shutil.which("kubectl")] if path]
DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: %s
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: main, image: kserve/sklearnserver}%s]}
"""


class Kubectl:
    def __init__(self, tool: str, kubeconfig: Path, namespace: str, folder: Path) -> None:
        self.namespace, self.folder = namespace, folder
        self._command = (tool, "--kubeconfig", str(kubeconfig), "--cache-dir", str(folder / "cache"), "-n", namespace)

    def run(self, *words: str, stdin: str = "", **env: str) -> tuple[int, str]:
        """(exit code, everything it said)."""
        done = subprocess.run(
            [*self._command, *words], input=stdin, capture_output=True, text=True, timeout=60, env=self._env(env)
        )
        return done.returncode, done.stdout + done.stderr

    def __call__(self, *words: str, stdin: str = "", **env: str) -> str:
        code, said = self.run(*words, stdin=stdin, **env)
        assert code == 0, said
        return said

    def refused(self, *words: str, stdin: str = "", **env: str) -> str:
        code, said = self.run(*words, stdin=stdin, **env)
        assert code != 0, said
        return said

    def apply(self, text: str, *words: str) -> str:
        return self("apply", "-f", "-", *words, stdin=text)

    def read(self, *words: str) -> Any:
        return json.loads(self("get", *words, "-o", "json", "--show-managed-fields"))

    @contextmanager
    def going_on(self, *words: str) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
        """One that runs until it is done or the block is left, and the lines it has said so far."""
        said: list[str] = []
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        with subprocess.Popen([*self._command, *words], env=self._env({}), **pipes) as process:
            assert process.stdout is not None
            reader = threading.Thread(target=_collect, args=(process.stdout, said))
            reader.start()
            try:
                yield process, said
            finally:
                process.terminate()
                reader.join(20)

    def _env(self, more: dict[str, str]) -> dict[str, str]:
        return {**os.environ, "TMPDIR": str(self.folder), **more}


def _collect(lines: Iterator[str], said: list[str]) -> None:
    for line in lines:
        said.append(line.strip())
