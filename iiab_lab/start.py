"""A notebook's first step: is this machine fit, and is the platform up → a table, and a Target."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

from .assets import home
from .target import Target

if TYPE_CHECKING:
    import pandas

    from .findings import Finding


def preflight(engine: str = "embedded") -> pandas.DataFrame:
    """What `iiab doctor` finds: one row per check with what was seen, what is needed, and the cure where it is missed.

    With IIAB_KUBECONFIG set, whether that platform can be reached.
    """
    import pandas

    rows = [
        {
            "check": f.name,
            "ok": "✓" if f.ok else "✗",
            "seen": f.seen,
            "needed": f.needed,
            "cure": "" if f.ok else f.cure,
        }
        for f in _findings(engine)
    ]
    return pandas.DataFrame(rows)


def plan(engine: str = "embedded") -> pandas.DataFrame:
    """What `up` will do, in order, and why: step, why, does. Runs nothing."""
    import pandas

    return pandas.DataFrame(_planned(engine), columns=["step", "why", "does"])


def up(engine: str = "embedded") -> Target:
    """Boots the platform of this home if it does not run, waits until it is ready → how to reach it.

    With IIAB_KUBECONFIG set, the platform is that cluster, and nothing is booted. Raises Unsupported, PortTaken or NotReady.
    """
    if not os.environ.get("IIAB_KUBECONFIG"):
        already = _up_cluster() if engine == "cluster" else _up_embedded()
        print("The platform was already running; nothing changed." if already else "The platform is ready.")
    return Target.connect()


def _findings(engine: str) -> Iterable[Finding]:
    if os.environ.get("IIAB_KUBECONFIG"):
        from .reach import examine as reached

        return reached(Target.connect())
    from .commands import doctor

    return doctor.examine_cluster() if engine == "cluster" else doctor.examine()


def _planned(engine: str) -> list[tuple[str, str, str]]:
    if os.environ.get("IIAB_KUBECONFIG"):
        return [("nothing", "IIAB_KUBECONFIG names a platform that is there", "")]
    if engine == "cluster":
        from .engines.cluster import plan
        from .engines.cluster.steps import steps
        from .engines.cluster.where import Where

        return plan.rows(steps(Where(home())))
    from .engines.embedded import bootstrap

    return [("control plane", "API server, store and controllers", "processes on this machine"), *bootstrap.rows()]


def _up_embedded() -> bool:
    """→ whether it was already running."""
    from .commands.doctor import require
    from .engines.embedded import lifecycle

    already = lifecycle.find(home()) is not None
    if not already:
        require(print)
    lifecycle.up(home(), os.environ.get("IIAB_PORTS", ""), _silence if already else _progress)
    return already


def _up_cluster() -> bool:
    from .commands.up_cluster import Cluster, bring_up

    already, _ = bring_up(os.environ.get("IIAB_PORTS", ""), "", Cluster(), _progress)
    return already


def _silence(step: str, doing: str) -> None:
    pass


def _progress(step: str, doing: str) -> None:
    if not doing:
        print(f"✓ {step}")
