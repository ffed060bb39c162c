"""Steps → the plan that `iiab up --plan` prints: commands to read, copy and learn from. Nothing is run."""

from __future__ import annotations

import shlex
from typing import Any

from . import render
from .step import Argv, Command, Step
from .where import Where


def text(where: Where, steps: tuple[Step, ...]) -> str:
    """Every step with its reason, its commands, what it waits for and how it is undone."""
    return (
        "\n\n".join([_head(where), *(_step(step, number) for number, step in enumerate(steps, 1)), _changes(where)])
        + "\n"
    )


def to_json(where: Where, steps: tuple[Step, ...]) -> dict[str, Any]:
    return {
        "engine": "cluster",
        "on": where.on,
        "context": where.reached,
        "kubeconfig": str(where.kubeconfig),
        "steps": [step.to_json() for step in steps],
    }


def rows(steps: tuple[Step, ...]) -> list[tuple[str, str, str]]:
    """step, why, its commands."""
    return [(step.name, step.why, "\n".join(map(_line, step.commands))) for step in steps]


def _head(where: Where) -> str:
    what = f"the cluster of context {where.context}" if where.context else "a kind cluster of its own"
    return f"# Inference-in-a-Box Lab on {what}\n# kubeconfig: {where.kubeconfig}, context: {where.reached}"


def _step(step: Step, number: int) -> str:
    lines = [f"## {number} {step.name}: {step.why}"]
    lines += [_line(command) for command in step.commands]
    lines += [_shell(wait.argv) for wait in step.waits]
    if step.webhook:
        lines += ["# until its webhooks let this pass:", _line(step.webhook)]
    if step.race:
        lines.append(f"# tried again where it fails: {step.race}")
    return "\n".join([*lines, *(f"# undone by: {_line(command)}" for command in step.undo)])


def _line(command: Command) -> str:
    said = ("  | " if command.pipe else "") + _shell(command.argv)
    if command.into:
        said += f" > {shlex.quote(command.into)}"
    if command.unless:
        said += "   # unless it is there"
    return said + (f"   # reads {command.shows}" if command.shows else "")


def _shell(argv: Argv) -> str:
    return shlex.join(argv)


def _changes(where: Where) -> str:
    made = [change for change in render.changes() if change.get("only", where.on) == where.on]
    return "\n".join(
        ["## Changed in the manifests here", *(f"# {change['object']}: {change['why']}" for change in made)]
    )
