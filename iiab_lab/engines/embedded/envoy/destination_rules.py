"""DestinationRules → the one rule that holds for a Service at an ingress gateway.

Of the Service's own namespace, else of the root's: a tenant's rule for another tenant's Service counts for nobody. Of these the
one with the most specific host; where several name that, the oldest, to which the others only add subsets it lacks.
Source: istio/istio, pilot/pkg/model/{push_context,destination_rule}.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from ..objects.kinds import DESTINATION_RULE, Key
from ..objects.meta import Object, key_of
from .virtual_hosts import ROOT, age, fqdn
from .world import World

_PRIVATE = ["."]


class _OfNamespace(NamedTuple):
    """host → rules, the oldest first."""

    specific: dict[str, list[Object]]
    wild: dict[str, list[Object]]


Rules = Mapping[str, _OfNamespace]


def rules(world: World, without: Iterable[Key] = ()) -> Rules:
    """By namespace, those that gateways in the root namespace may use; `without` are set aside."""
    aside, found = set(without), {"": _OfNamespace({}, {})}
    for rule in sorted(world.list(DESTINATION_RULE), key=age):
        if key_of(rule) not in aside and _is_exported(rule):
            host, namespace = fqdn(rule["spec"]["host"], rule), rule["metadata"]["namespace"]
            # What the root namespace keeps for itself is meant for its gateways before anybody else's.
            own = found.setdefault("" if _exported(rule) == _PRIVATE else namespace, _OfNamespace({}, {}))
            (own.wild if host.startswith("*") else own.specific).setdefault(host, []).append(rule)
    return found


def _exported(rule: Object) -> list[str]:
    return rule["spec"].get("exportTo") or ["*"]


def _is_exported(rule: Object) -> bool:
    here = rule["metadata"]["namespace"] == ROOT
    return bool({"*", ROOT, *(_PRIVATE if here else [])} & set(_exported(rule)))


def chosen(found: Rules, host: str, namespace: str) -> Object:
    """{} where none holds; else what several say, merged into one spec."""
    for of_namespace in (found[name] for name in ("", namespace, ROOT) if name in found):
        if specs := [rule["spec"] for rule in _most_specific(of_namespace, host)]:
            return _merged(specs)
    return {}


def _most_specific(rules: _OfNamespace, host: str) -> list[Object]:
    if host in rules.specific:
        return rules.specific[host]
    wild = [name for name in rules.wild if host.endswith(name[1:])]
    return rules.wild[max(wild, key=len)] if wild else []


def _merged(specs: list[Object]) -> Object:
    subsets: dict[str, Object] = {}
    for spec in specs:
        for subset in spec.get("subsets") or ():
            subsets.setdefault(subset["name"], subset)
    policy: Object = next((spec["trafficPolicy"] for spec in specs if spec.get("trafficPolicy")), {})
    return {"trafficPolicy": policy, "subsets": list(subsets.values())}
