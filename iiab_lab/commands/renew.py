"""`iiab renew` and `iiab rotate-ca`: certificates and CAs → new ones, with what took how long."""

from __future__ import annotations

import json

from rich.console import Console
from rich.table import Table

from ..errors import UsageError
from ..renewal import renew as renewed
from ..renewal import rotate_ca
from ..target import Target
from .up import with_progress


def renew(name: str, namespace: str, everything: bool, as_json: bool) -> None:
    if bool(name) == everything:
        raise UsageError("Say which certificate, or all of them.", "iiab renew NAME -n NAMESPACE, or iiab renew --all")
    found = renewed(Target.connect(), name, namespace)
    if as_json:
        print(json.dumps([one._asdict() for one in found], indent=2))
        return
    table = Table("certificate", "revision", "expires", "took", box=None, pad_edge=False)
    table.columns[0].overflow = "fold"
    for one in found:
        revision = str(one.revision) if one.revision else "–"
        table.add_row(f"{one.namespace}/{one.name}", revision, one.not_after, f"{one.seconds:.2f} s")
    Console().print(table)


def rotate(which: str, keep_old: bool, as_json: bool) -> None:
    took = with_progress(lambda progress: rotate_ca(Target.connect(), which, keep_old, progress))
    if as_json:
        print(json.dumps({"ca": which, "seconds": took, "both_trusted": keep_old}, indent=2))
    elif keep_old:
        Console().print(f"Both roots of the {which} are trusted. End it: iiab rotate-ca {which}")
    else:
        Console().print(f"The {which} has a new root; what the old one signed is refused.")
