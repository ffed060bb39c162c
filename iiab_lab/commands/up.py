"""`iiab up`, `iiab down`, `iiab reset`: a home directory → a running platform and back, with progress a person can follow."""

from __future__ import annotations

import json
import time
from dataclasses import fields
from typing import Any

from rich.console import Console
from rich.prompt import Confirm

from ..assets import home
from ..errors import UsageError
from .doctor import require
from .status import render
from .up_cluster import Cluster, bring_up, planned

_err = Console(stderr=True)
_SHORTEST = 8
_NOTHING = Cluster()


def up(engine: str, ports: str, as_json: bool, password: str = "", asked: Cluster = _NOTHING) -> None:
    _check(engine, password, asked)
    if engine == "cluster":
        _up_cluster(ports, as_json, password, asked)
        return
    from ..engines.cluster import lifecycle as cluster
    from ..engines.embedded import lifecycle

    if cluster.is_here(home()):
        raise UsageError(f"The platform of {home()} is on a cluster.", "iiab up --engine cluster; or iiab down first")
    already, began = lifecycle.find(home()) is not None, time.monotonic()
    if not already:
        require(_err.print)
    status = with_progress(lambda progress: lifecycle.up(home(), ports, progress, password))
    if as_json:
        print(json.dumps(status, indent=2))
        return
    announce(status, began, already)


def _up_cluster(ports: str, as_json: bool, password: str, asked: Cluster) -> None:
    if asked.plan:
        print(planned(ports, as_json, asked))
        return
    began = time.monotonic()
    already, status = with_progress(lambda progress: bring_up(ports, password, asked, progress))
    if as_json:
        print(json.dumps(status, indent=2))
    else:
        announce(status, began, already)


def _check(engine: str, password: str, asked: Cluster) -> None:
    """Raises UsageError for what does not go together."""
    if engine not in ("embedded", "cluster"):
        raise UsageError(f"There is no engine {engine!r}.", "iiab up --engine embedded, or --engine cluster")
    if password and len(password) < _SHORTEST:
        raise UsageError(f"A password needs at least {_SHORTEST} characters.", "iiab up --admin-password LONGER")
    if engine == "embedded" and asked != _NOTHING:
        given = next(field.name for field in fields(asked) if getattr(asked, field.name) != field.default)
        option = "from" if given == "start" else given
        raise UsageError(f"--{option} is about a cluster.", f"iiab up --engine cluster --{option} …")


def announce(status: dict[str, Any], began: float, already: bool) -> None:
    seconds = time.monotonic() - began
    _err.print(
        f"[bold green]Ready[/] in {seconds:.1f} s" + (" — it was already running; nothing changed." if already else ".")
    )
    render(status)


def down() -> None:
    from ..engines.cluster import lifecycle as cluster
    from ..engines.embedded import lifecycle

    if cluster.is_here(home()):
        with_progress(lambda progress: cluster.down(home(), progress))
        _err.print(f"Took away what was installed from {home()}.")
        return
    stopped = home().exists() and lifecycle.down(home())
    _err.print(f"Stopped the platform in {home()}." if stopped else f"Nothing runs in {home()}.")


def reset(yes: bool) -> None:
    from ..engines.cluster import lifecycle as cluster
    from ..engines.embedded import lifecycle

    if cluster.is_here(home()):
        raise UsageError(f"The platform of {home()} is on a cluster.", "iiab down, then iiab up --engine cluster")
    if not yes and not Confirm.ask(f"Forget every object, model and log in {home()}?", default=False):
        raise UsageError("Nothing was changed.", "iiab reset --yes")
    record = lifecycle.record(home())
    was_running = lifecycle.find(home()) is not None
    lifecycle.reset(home())
    if was_running:
        up("embedded", ",".join(f"{name}={port}" for name, port in record["ports"].items()), as_json=False)
    else:
        _err.print(f"{home()} is clean. Start with: iiab up")


def with_progress(work: Any) -> Any:
    """Runs `work(progress)` under a spinner that names the step; every finished step stays on the screen with its time."""
    with _err.status("starting") as spinner:
        began: dict[str, float] = {}

        def progress(step: str, doing: str) -> None:
            if doing:
                began.setdefault(step, time.monotonic())
                spinner.update(f"[bold]{step}[/]  {doing}")
            elif step in began:
                _err.print(f"  [green]✓[/] {step:<14} {time.monotonic() - began[step]:6.2f} s")
            else:  # a finding, which took no time
                _err.print(f"  [green]✓[/] {step}")

        return work(progress)
