"""`iiab scenario [NAME]`: the list, or one scenario's Report; exit code 1 when a check failed."""

from __future__ import annotations

import json

from rich.console import Console
from rich.table import Table

from ..errors import CheckFailed
from ..scenarios import SCENARIOS, find
from ..target import Target


def run_scenario(name: str | None, as_json: bool) -> int:
    if name is None:
        _list(as_json)
        return 0
    scenario = find(name)
    target = Target.connect()
    with Console(stderr=True).status(f"{name}: about {scenario.minutes} min"):
        report = scenario.run(target)
    if as_json:
        print(json.dumps(report.to_json(), indent=2))
    else:
        Console().print(report.render())
    return 0 if report.passed else CheckFailed.exit_code


def _list(as_json: bool) -> None:
    if as_json:
        print(
            json.dumps(
                [{"name": name, "minutes": s.minutes, "shows": s.shows} for name, s in SCENARIOS.items()], indent=2
            )
        )
        return
    table = Table("scenario", "minutes", "shows", box=None, pad_edge=False)
    for name, scenario in SCENARIOS.items():
        table.add_row(name, str(scenario.minutes), scenario.shows)
    Console().print(table)
