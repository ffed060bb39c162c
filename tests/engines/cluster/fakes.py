"""Programs named kind, helm, kubectl and docker that write down what they are called with and answer by rule.

They prove order, resumption, failure messages and clean-up of our side, and nothing about the platform.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .answering import answer

_PROGRAM = """#!{python} -IS
import sys
sys.path.insert(0, {here!r})
from answering import answer
name, argv = sys.argv[0].rpartition("/")[2], sys.argv[1:]
code, out, err = answer({folder!r}, name, argv, sys.stdin.read() if "-" in argv else "")
sys.stdout.write(out)
sys.stderr.write(err)
sys.exit(code)
"""
_MANY = 10**6
# What a machine that is fit, and a cluster that is new, say.
_FIT = {
    r"^docker version": "28.0.4",
    r"^docker info": json.dumps({"MemTotal": 16 * 2**30, "NCPU": 8, "DockerRootDir": "/"}),
    r"^kind version": "kind v0.33.0 go1.25 linux/amd64",
    r"^helm version": "v3.18.4+gabc",
    r"^kubectl .*version -o json": json.dumps({"serverVersion": {"major": "1", "minor": "35+"}}),
    r"^kubectl version": json.dumps({"clientVersion": {"gitVersion": "v1.35.0"}}),
    r"^kubectl config view": "apiVersion: v1",
    r"get namespace kube-system": "uid-1",
    r"get configmap lab-ca": "-----BEGIN CERTIFICATE-----",
    r"config view": "https://127.0.0.1:6443",
    r"gateway.gateway.networking.k8s.io/ai-inference-gateway -o": "203.0.113.7",
    r"get namespaces -o json": json.dumps(
        {"items": [{"metadata": {"name": "identity", "labels": {"iiab.lab/platform": "true"}}}]}
    ),
    r"get pods": json.dumps(
        {
            "items": [
                {
                    "metadata": {"name": "identity-1", "namespace": "identity"},
                    "spec": {"containers": [{"image": "iiab-lab/identity:0.1.0"}]},
                    "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
                }
            ]
        }
    ),
}


def _rule(match: str, out: str, code: int = 0, err: str = "", times: int = _MANY) -> dict[str, Any]:
    return {"match": match, "out": out, "err": err, "code": code, "times": times}


@dataclass
class Fakes:
    """`folder` is to stand first in PATH."""

    folder: Path

    @classmethod
    def make(cls, folder: Path, *names: str) -> Fakes:
        folder.mkdir()
        for name in names or ("docker", "helm", "kind", "kubectl"):
            program = folder / name
            program.write_text(
                _PROGRAM.format(python=sys.executable, here=str(Path(__file__).parent), folder=str(folder))
            )
            program.chmod(0o755)
        (folder / "calls").touch()
        made = cls(folder)
        made.rules([_rule(match, out) for match, out in _FIT.items()])
        return made

    def run(self, argv: Sequence[str], input: str = "", **_: Any) -> subprocess.CompletedProcess[str]:
        """In the place of subprocess.run: the same answers, in this process, for tests that need many."""
        name, *words = argv
        return subprocess.CompletedProcess(argv, *answer(str(self.folder), name, words, input if "-" in words else ""))

    def answer(self, match: str, out: str = "", *, code: int = 0, err: str = "", times: int = _MANY) -> None:
        """Before what is known already: the latest rule that fits is taken."""
        known = json.loads((self.folder / "rules").read_text())
        self.rules([_rule(match, out, code, err, times), *known])

    def rules(self, rules: list[dict[str, Any]]) -> None:
        (self.folder / "rules").write_text(json.dumps(rules))

    def fail(self, match: str, err: str, times: int = _MANY) -> None:
        self.answer(match, code=1, err=err, times=times)

    def calls(self) -> list[dict[str, str]]:
        return [json.loads(line) for line in (self.folder / "calls").read_text().splitlines()]

    def lines(self, match: str = "") -> list[str]:
        return [call["line"] for call in self.calls() if re.search(match, call["line"])]

    def forget(self) -> None:
        (self.folder / "calls").write_text("")
