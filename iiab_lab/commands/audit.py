"""`iiab audit [verify]`: the stream of decisions → a table, JSON or CSV; or whether it is as it was written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..audit import Query, newest, stream_of, verify_audit
from ..errors import CheckFailed, UsageError
from ..services.audit.requests import COLUMNS

_SHOWN = ("time", "tenant", "actor", "verb", "resource", "decision", "status", "layer", "reason")
_WIDE, _RATIOS = 120, {"tenant": 1, "actor": 2, "resource": 3, "reason": 3}
_COLOURS = {"allowed": "green", "denied": "bold red", "error": "yellow"}


def show(query: Query, limit: int, hops: bool, as_json: bool, csv: Path | None, folder: Path | None) -> None:
    if csv and not csv.absolute().parent.is_dir():
        raise UsageError(f"There is no folder for {csv}.", f"mkdir -p {csv.parent}")
    with stream_of(None, folder or "") as stream:
        rows = newest(stream, query.check(), limit, hops)
    if as_json:
        print(json.dumps(rows, indent=2))
    if csv:
        import pandas

        pandas.DataFrame(rows, columns=list(COLUMNS)).to_csv(csv, index=False)
        Console(stderr=True).print(f"Wrote {len(rows)} rows to {csv}.")
    elif not as_json:
        _table(rows)


def verify(folder: Path | None, as_json: bool) -> int:
    """Exit code: 0 where every record holds, 1 where one does not."""
    found = verify_audit(folder=folder or "")
    if as_json:
        print(json.dumps(vars(found), indent=2))
    else:
        print(found)
    return CheckFailed.exit_code if found.broken else 0


def _table(rows: list[dict[str, Any]]) -> None:
    """On a narrow terminal without tenant and layer; a long name is cut, a reason never."""
    console = Console()
    shown = [name for name in _SHOWN if console.width >= _WIDE or name not in ("tenant", "layer")]
    table = Table(box=None, pad_edge=False, expand=True)
    cells = [_cells(row, shown) for row in rows]
    for name in shown:
        own = max((len(cell[name]) for cell in cells), default=0)
        size: dict[str, Any] = {"ratio": _RATIOS[name]} if name in _RATIOS else {"min_width": max(own, len(name))}
        table.add_column(name, no_wrap=name != "reason", overflow="fold" if name == "reason" else "ellipsis", **size)
    for cell in cells:
        table.add_row(*(Text(text, _COLOURS.get(text, "")) for text in cell.values()))
    console.print(table)


def _cells(row: dict[str, Any], shown: list[str]) -> dict[str, str]:
    why = ": ".join(part for part in (row["policy"], row["reason"]) if part)
    return {name: str(row[name]) for name in shown} | {"time": row["time"][11:19], "reason": why}
