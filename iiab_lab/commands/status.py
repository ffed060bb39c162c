"""`iiab status`: what the API server says of every Pod → a table, or the JSON that programs and Target read."""

from __future__ import annotations

import json
from typing import Any

from rich.console import Console
from rich.table import Table

from ..assets import home
from ..errors import NotReady


def status(as_json: bool) -> int:
    from ..engines.cluster import lifecycle as cluster
    from ..engines.embedded import lifecycle

    found = (cluster if cluster.is_here(home()) else lifecycle).status_of(home())
    if as_json:
        print(json.dumps(found, indent=2))
    else:
        render(found)
    return 0 if found["ready"] else NotReady.exit_code


def render(found: dict[str, Any]) -> None:
    console = Console()
    endpoints = Table("endpoint", "URL", box=None, pad_edge=False)
    for name, url in found["endpoints"].items():
        endpoints.add_row(name, url)
    components = Table("component", "version", "ready", "restarts", "", box=None, pad_edge=False)
    for column in components.columns[:2]:
        column.overflow = "fold"
    for item in found["components"]:
        ready = "[green]yes[/]" if item["ready"] else "[bold red]no[/]"
        components.add_row(item["name"], item["version"], ready, str(item["restarts"]), item["message"])
    console.print(endpoints)
    console.print()
    console.print(components)
    console.print(f"\nkubeconfig  {found['kubeconfig']}\nCA          {found['ca']}", soft_wrap=True)
