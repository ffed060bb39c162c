"""The steps → every image they will pull, pulled into kind's node ahead of time: for a classroom behind one address.

Docker Hub counts anonymous pulls by address. What controllers start later is in no chart; the lock names it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import requests
import yaml

from ...errors import NotReady
from . import lock, tools
from .render import OURS
from .runner import Progress
from .step import Command, Step
from .where import KIND

_NODE = f"{KIND}-control-plane"
_FETCH_SECONDS = 60


def pull(steps: tuple[Step, ...], progress: Progress) -> list[str]:
    """→ the images. Raises ToolFailed where one cannot be pulled."""
    wanted = images(steps)
    for number, image in enumerate(wanted, 1):
        progress("preload", f"{number} of {len(wanted)}: {image}")
        tools.run(Command(("docker", "exec", _NODE, "crictl", "pull", image)))
    progress("preload", "")
    return wanted


def images(steps: tuple[Step, ...]) -> list[str]:
    found = {image for step in steps for command in step.commands for image in _of(command)}
    found |= {
        f"{name}:{tag}"
        for name, tag in lock.read().images.items()
        if name.startswith(("kserve/", "istio/", "envoyproxy/"))
    }
    return sorted(image for image in found if not image.startswith(OURS))


def _of(command: Command) -> Iterator[str]:
    for document in _documents(command):
        yield from _named(document)


def _documents(command: Command) -> list[Any]:
    """What a command installs: a chart rendered, a published file fetched, or what it reads."""
    argv = command.argv
    if argv[0] == "helm" and "upgrade" in argv:
        rendered = tools.run(Command(("helm", "template", *argv[argv.index("--install") + 1 :]), stdin=command.stdin))
        return list(yaml.safe_load_all(rendered))
    if argv[0] == "kubectl" and argv[-1].startswith("https://"):
        return list(yaml.safe_load_all(_fetched(argv[-1])))
    if argv[0] == "kubectl" and "apply" in argv and command.stdin:
        return list(yaml.safe_load_all(command.stdin))
    return []


def _fetched(url: str) -> str:
    try:
        answer = requests.get(url, timeout=_FETCH_SECONDS)
        answer.raise_for_status()
    except requests.RequestException as error:
        raise NotReady(
            f"{url} could not be fetched: {error}", "look at this machine's network, then try again"
        ) from error
    return answer.text


def _named(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("image"), str):
            yield value["image"]
        value = list(value.values())
    for item in value if isinstance(value, list) else ():
        yield from _named(item)
