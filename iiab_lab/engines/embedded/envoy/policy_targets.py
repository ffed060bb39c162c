"""Policies → which of them speaks of which object: of several, the oldest. Envoy Gateway's policy attachment."""

from __future__ import annotations

from collections.abc import Mapping

from ..objects.kinds import Kind
from ..objects.meta import Object
from .world import World

Targets = Mapping[tuple[str, str, str], Object]
"""(kind, namespace, name) of the target → the policy."""


def oldest(world: World, kind: Kind) -> Targets:
    found: dict[tuple[str, str, str], Object] = {}
    for policy in sorted(world.list(kind), key=age):
        for target in policy["spec"].get("targetRefs") or ():
            found.setdefault((target["kind"], policy["metadata"]["namespace"], target["name"]), policy)
    return found


def of(targets: Targets, kind: str, obj: Object) -> Object | None:
    return targets.get((kind, obj["metadata"]["namespace"], obj["metadata"]["name"]))


def age(policy: Object) -> tuple[str, str]:
    meta = policy["metadata"]
    return meta.get("creationTimestamp", ""), meta["name"]
