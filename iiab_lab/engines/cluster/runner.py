"""Steps → a platform: each is run once, waited for every time, and remembered. What is there already is left as it is.

A step may say something of an object that one before it has made: so what comes after a step that is run, is run too.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from ...errors import LabError, NotReady, UsageError
from . import causes, render, tools
from .record import BEGAN, DONE, THEIRS, Done, Record
from .step import Argv, Command, Step
from .where import Where

# (step, what it is doing now, or "" when done)
Progress = Callable[[str, str], None]
_WEBHOOK_SECONDS, _PAUSE, _RACES = 120.0, 2.0, 5


@dataclass
class Runner:
    """`use` are steps whose work somebody else has done on this cluster."""

    where: Where
    record: Record
    progress: Progress
    use: tuple[str, ...] = ()

    def up(self, steps: tuple[Step, ...]) -> None:
        """Raises NotReady with the cause for what did not come in time, and ToolFailed for what failed."""
        again = False
        for step in steps:
            self.progress(step.name, step.why)
            try:
                again = self._step(step, again)
            except LabError as error:
                raise _resumable(error, step) from error
            self.progress(step.name, "")

    def down(self, steps: tuple[Step, ...]) -> None:
        """Takes away what `up` made, the last first; what was there before stays. Each step that is gone is forgotten."""
        for step in reversed(steps):
            known = self.record.steps.get(step.name)
            if known is not None and known.state != THEIRS:
                self.progress(step.name, "taking it away")
                self._run([made for command in step.undo if (made := _sparing(command, known.kept))])
                self.progress(step.name, "")
            if known is not None:
                del self.record.steps[step.name]
                self.record.write(self.where.home)

    def _step(self, step: Step, again: bool) -> bool:
        """→ whether what comes after it is to be run again."""
        known = self.record.steps.get(step.name)
        if step.name in self.use or (known and known.state == THEIRS):
            self._remember(step, Done(THEIRS))
            return again
        again = again or known is None or known.state != DONE or known.digest != step.digest
        if again:
            self._do(step, known)
        for wait in step.waits:
            self.progress(step.name, f"waiting for {' '.join(wait.argv[6:-1])}")
            self._wait(wait.argv, wait.namespace)
        if step.webhook:
            self._until_it_passes(step.webhook)
        self._remember(step, Done(DONE, step.digest, self.record.steps[step.name].kept))
        return again

    def _do(self, step: Step, known: Done | None) -> None:
        if known is None:
            self._refuse_another(step)
        kept = known.kept if known else self._there(step)
        self._remember(step, Done(BEGAN, kept=kept))
        for attempt in range(1, _RACES + 1):
            try:
                self._run(list(step.commands))
                return
            except tools.ToolFailed:
                if not step.race or attempt == _RACES:
                    raise
                self.progress(step.name, f"again, {attempt + 1} of {_RACES}: {step.race}")
                time.sleep(_PAUSE)

    def _run(self, commands: list[Command]) -> None:
        said = ""
        for command in commands:
            if not command.unless or not tools.run(Command(command.unless)).strip():
                said = tools.run(command, said)

    def _wait(self, argv: Argv, namespace: str) -> None:
        try:
            tools.run(Command(argv))
        except tools.ToolFailed as error:
            raise NotReady(
                f"{error.said.strip()}\n{causes.of(argv[:5], namespace)}", "look at what it names"
            ) from error

    def _until_it_passes(self, webhook: Command) -> None:
        """A webhook whose Deployment is available may still refuse everybody for a moment."""
        deadline = time.monotonic() + _WEBHOOK_SECONDS
        while True:
            try:
                tools.run(webhook)
                return
            except tools.ToolFailed as error:
                if time.monotonic() > deadline:
                    what = f"The webhooks did not let {webhook.shows} pass within {_WEBHOOK_SECONDS:.0f} s"
                    raise NotReady(f"{what}: {error.said.strip()}", "look at what it names") from error
            time.sleep(_PAUSE)

    def _refuse_another(self, step: Step) -> None:
        if not step.theirs or self.where.on == "kind":
            return
        there = tools.run(Command(self._kubectl("get", "crd", step.theirs, "--ignore-not-found", "-o", "name")))
        if there.strip():
            raise UsageError(
                f"{step.theirs} is on this cluster already, and not from here.",
                f"leave it to whoever installed it: add --use {step.name} (and each later step that is theirs too)",
            )

    def _there(self, step: Step) -> list[str]:
        """Which of its objects exist before it: on a cluster of our own, none does."""
        if not step.objects or self.where.on == "kind":
            return []
        asked = render.text(list(step.objects))
        said = tools.run(Command(self._kubectl("get", "--ignore-not-found", "-o", "json", "-f", "-"), stdin=asked))
        found: dict[str, Any] = json.loads(said) if said.strip() else {"kind": "List", "items": []}
        return [render.called(obj) for obj in (found["items"] if found["kind"] == "List" else [found])]

    def _kubectl(self, *words: str) -> Argv:
        return ("kubectl", "--kubeconfig", str(self.where.kubeconfig), "--context", self.where.reached, *words)

    def _remember(self, step: Step, done: Done) -> None:
        self.record.steps[step.name] = done
        self.record.write(self.where.home)


def _resumable(error: LabError, step: Step) -> LabError:
    """The same error, which says how to go on once it is mended."""
    if isinstance(error, UsageError):
        return error
    made = NotReady(
        f"{step.name}: {error.message}", f"{error.cure}; then go on: iiab up --engine cluster --from {step.name}"
    )
    made.exit_code = error.exit_code
    return made


def _sparing(command: Command, kept: list[str]) -> Command | None:
    """A deletion without the objects that were there before; None where nothing is left of it."""
    if not command.objects:
        return command
    ours = [obj for obj in command.objects if render.called(obj) not in kept]
    return replace(command, stdin=render.text(ours), objects=tuple(ours)) if ours else None
