"""A notebook's first step: is this machine fit, and is the platform up → a table, and a Target."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from .assets import home
from .target import Target

if TYPE_CHECKING:
    import pandas


def preflight() -> pandas.DataFrame:
    """What `iiab doctor` finds: one row per check with what was seen, what is needed, and the cure where it is missed."""
    import pandas

    from .commands.doctor import examine

    rows = [
        {
            "check": f.name,
            "ok": "✓" if f.ok else "✗",
            "seen": f.seen,
            "needed": f.needed,
            "cure": "" if f.ok else f.cure,
        }
        for f in examine()
    ]
    return pandas.DataFrame(rows)


def up() -> Target:
    """Boots the platform of this home if it does not run, waits until it is ready → how to reach it.

    With IIAB_KUBECONFIG set, the platform is that cluster, and nothing is booted. Raises Unsupported, PortTaken or NotReady.
    """
    if not os.environ.get("IIAB_KUBECONFIG"):
        from .commands.doctor import require
        from .engines.embedded import lifecycle

        already = lifecycle.find(home()) is not None
        if not already:
            require(print)
        lifecycle.up(home(), os.environ.get("IIAB_PORTS", ""), _silence if already else _progress)
        print("The platform was already running; nothing changed." if already else "The platform is ready.")
    return Target.connect()


def _silence(step: str, doing: str) -> None:
    pass


def _progress(step: str, doing: str) -> None:
    if not doing:
        print(f"✓ {step}")
