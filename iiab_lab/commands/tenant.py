"""`iiab tenant`: tenants → one more, one less, and what each uses of its share."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.prompt import Confirm
from rich.table import Table

from ..errors import UsageError
from ..target import Target
from ..tenants import Tenant, add_tenant, export_tenant, import_tenant, remove_tenant, tenants

_out, _err = Console(highlight=False), Console(stderr=True)


def add(name: str, sizes: dict[str, Any]) -> None:
    result = add_tenant(Target.connect(), name, **sizes)
    _err.print(f"The tenant {name} is {result}. Its token: iiab token {name}")


def remove(name: str, yes: bool) -> None:
    if not yes and not Confirm.ask(f"Forget every model, volume and key of {name}?", default=False):
        raise UsageError("Nothing was changed.", f"iiab tenant remove {name} --yes")
    gone = remove_tenant(Target.connect(), name)
    _err.print(f"The tenant {name} is gone." if gone else f"There is no tenant {name}.")


def export(name: str, file: Path, secrets: bool) -> None:
    made = export_tenant(Target.connect(), name, file, secrets)
    _err.print(f"{file} holds {name}: {made.objects} objects.")
    for what, names in (
        ("Secrets", made.secrets),
        ("publications", made.published),
        ("files of volumes", made.volumes),
    ):
        if names:
            _err.print(f"Not in it are {what}: {', '.join(sorted(names))}.")


def bring(file: Path, name: str) -> None:
    made = import_tenant(Target.connect(), file, name)
    _err.print(f"The tenant {made} is there. Its token: iiab token {made}")


def show(as_json: bool) -> None:
    found = tenants(Target.connect())
    if as_json:
        print(json.dumps([one._asdict() for one in found], indent=2))
        return
    table = Table(*Tenant._fields, box=None, pad_edge=False)
    for one in found:
        table.add_row(*one)
    _out.print(table)
