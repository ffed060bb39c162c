"""What a step is made of: commands, what they wait for, and how they are undone. Data alone: `runner` runs it, `plan` prints it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from ...kube import Object

Argv = tuple[str, ...]


@dataclass(frozen=True)
class Command:
    """One program and its words, never a shell's line.

    `stdin` is what it reads, `shows` what that is in one line. `pipe`: it reads what the command before it wrote. `into` is
    the file that takes what it writes. `unless`: it is left out where this command prints something. `secret`: `stdin` is
    nobody's to see. `objects` are those that `stdin` holds.
    """

    argv: Argv
    stdin: str = ""
    shows: str = ""
    pipe: bool = False
    into: str = ""
    unless: Argv = ()
    secret: bool = False
    objects: tuple[Object, ...] = ()

    def to_json(self) -> dict[str, Any]:
        said: dict[str, Any] = {"argv": list(self.argv)}
        if self.stdin:
            said["stdin"] = "…" if self.secret else self.stdin
        for name in ("pipe", "into"):
            if value := getattr(self, name):
                said[name] = value
        return said | ({"unless": list(self.unless)} if self.unless else {})


@dataclass(frozen=True)
class Wait:
    """`argv` ends by itself, at the latest after its own --timeout; `namespace` is where to look for the cause if it fails."""

    argv: Argv
    namespace: str


@dataclass(frozen=True)
class Step:
    """`objects` are those it applies by name, `theirs` the definition that betrays another's installation. `webhook` is
    a dry run that has to pass before the next step, `race` why, and only why, the commands are tried again."""

    name: str
    why: str
    commands: tuple[Command, ...]
    waits: tuple[Wait, ...] = ()
    undo: tuple[Command, ...] = ()
    objects: tuple[Object, ...] = ()
    theirs: str = ""
    webhook: Command | None = None
    race: str = ""

    @property
    def digest(self) -> str:
        """Of what it does: a step that is done is done again when this changes."""
        said = json.dumps([command.to_json() for command in self.commands], sort_keys=True)
        return hashlib.sha256(said.encode()).hexdigest()[:16]

    def to_json(self) -> dict[str, Any]:
        said: dict[str, Any] = {
            "name": self.name,
            "why": self.why,
            "commands": [command.to_json() for command in self.commands],
            "waits": [list(wait.argv) for wait in self.waits],
            "undo": [command.to_json() for command in self.undo],
        }
        if self.webhook:
            said["webhook"] = self.webhook.to_json()
        return said | ({"race": self.race} if self.race else {})
