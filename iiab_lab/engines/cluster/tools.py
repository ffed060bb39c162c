"""A Command → its program, run → what it printed. The one place of this engine that starts programs, and never through a shell."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from ...errors import LabError, NotReady, Unsupported
from ..embedded.credentials import write_private
from .step import Argv, Command

CURES = {
    "docker": "install Docker and start it: https://docs.docker.com/get-docker/; without it, the embedded engine runs here: iiab up",
    "kind": "install kind: https://kind.sigs.k8s.io/docs/user/quick-start/#installation",
    "helm": "install Helm: https://helm.sh/docs/intro/install/",
    "kubectl": "install kubectl: https://kubernetes.io/docs/tasks/tools/",
}
_SECONDS = 1800.0
_LINES = 8


class ToolFailed(LabError):
    """`said` is what the program wrote of why."""

    def __init__(self, argv: Argv, code: int, said: str) -> None:
        last = "\n".join("    " + line for line in said.strip().splitlines()[-_LINES:]) or "    (it said nothing)"
        super().__init__(
            f"`{' '.join(argv)}` ended with {code}:\n{last}", f"mend that, or see what it needs: {argv[0]} --help"
        )
        self.said = said


def run(command: Command, piped: str = "", seconds: float = _SECONDS) -> str:
    """→ its output. `piped` is what the command before it wrote. Raises Unsupported, ToolFailed and, past `seconds`, NotReady."""
    require(command.argv[0])
    stdin = piped if command.pipe else command.stdin
    try:
        done = subprocess.run(command.argv, input=stdin, capture_output=True, text=True, timeout=seconds)
    except subprocess.TimeoutExpired as error:
        cure = f"run it by hand to see what it waits for: {' '.join(command.argv)}"
        raise NotReady(f"`{command.argv[0]}` did not end within {seconds:.0f} s.", cure) from error
    if done.returncode:
        raise ToolFailed(command.argv, done.returncode, done.stderr or done.stdout)
    if command.into:
        write_private(Path(command.into), done.stdout.encode())
    return done.stdout


def ask(*argv: str, stdin: str = "", seconds: float = 60) -> str:
    """The output of a question; "" where it cannot be answered."""
    try:
        return run(Command(argv, stdin=stdin), seconds=seconds)
    except LabError:
        return ""


def require(tool: str) -> None:
    if shutil.which(tool) is None:
        raise Unsupported(f"{tool} is not installed.", CURES[tool])
