"""`iiab up --engine cluster`: what is asked → the plan as text, or a platform on a cluster. Its parts load when they are called."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..assets import home
from ..errors import UsageError
from ..findings import require

if TYPE_CHECKING:
    from ..engines.cluster.runner import Progress


@dataclass(frozen=True)
class Cluster:
    """What is asked of the cluster engine alone; see `iiab up --help`."""

    context: str = ""
    plan: bool = False
    start: str = ""
    use: tuple[str, ...] = ()
    registry: str = ""
    preload: bool = False


def planned(ports: str, as_json: bool, asked: Cluster) -> str:
    """No port is tried: a plan is of no moment."""
    from ..engines import ports as port_map
    from ..engines.cluster import plan
    from ..engines.cluster.steps import steps
    from ..engines.cluster.where import Where

    chosen = port_map.DEFAULTS if ports == "auto" else port_map.choose(ports, home() / "ports.json")
    where = Where(home(), asked.context, chosen, asked.registry)
    made = steps(where)
    return json.dumps(plan.to_json(where, made), indent=2) if as_json else plan.text(where, made).rstrip()


def bring_up(ports: str, password: str, asked: Cluster, progress: Progress) -> tuple[bool, dict[str, Any]]:
    """→ whether it was up already, status. Raises Unsupported, before anything is made, where this machine cannot."""
    from ..engines import ports as port_map
    from ..engines.cluster import lifecycle, preflight
    from ..engines.cluster.where import Where

    if asked.preload and asked.context:
        raise UsageError("--preload fills the node that kind makes.", "leave out --context")
    known = lifecycle.Record.read(home())
    if known is None:
        # Without ports, which a file in the home may remember: a machine that cannot is told so before a home is made.
        require(preflight.examine(Where(home(), asked.context, {})))
    chosen = known.ports if known else port_map.choose(ports, home() / "ports.json")
    if known is None:
        port_map.require_free(chosen)
    registry = asked.registry or (known.registry if known else "")
    where = Where(home(), asked.context or (known.context if known else ""), chosen, registry, password)
    status = lifecycle.up(where, progress, asked.start, asked.use, preload_only=asked.preload)
    return known is not None and status["ready"], status
