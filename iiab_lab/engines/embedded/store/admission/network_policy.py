"""A NetworkPolicy on its way in → its policyTypes, where it leaves them out; what the schema cannot say of it → or 422.

Kubernetes' rules and words. A selector is checked here for good: one with an operator that nobody knows would choose at random.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

from ...objects.meta import Object
from ..causes import Cause
from ..structural import invalid
from . import Admit

_DIRECTIONS = (("ingress", "from"), ("egress", "to"))
_PORT_NAME = re.compile(r"(?=.*[a-z])(?!.*--)[a-z0-9]([a-z0-9-]{0,13}[a-z0-9])?")
_CIDR = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"


def complete(admit: Admit) -> Object | None:
    obj = admit.object
    if obj is not None:
        spec = obj["spec"]
        if not spec.get("policyTypes"):
            spec["policyTypes"] = ["Ingress", *(["Egress"] if spec.get("egress") else [])]
    return obj


def check(admit: Admit) -> Object | None:
    obj = admit.object
    if obj is not None and (wrong := list(_causes(obj["spec"]))):
        raise invalid(admit.kind.kind, admit.kind.group, obj["metadata"]["name"], wrong)
    return obj


def _causes(spec: Object) -> Iterator[Cause]:
    yield from _selector(spec.get("podSelector") or {}, "spec.podSelector")
    if len(types := spec.get("policyTypes") or []) > 2:
        yield "spec.policyTypes", f"Invalid value: {types}: may not specify more than two policyTypes"
    for direction, peers in _DIRECTIONS:
        for index, rule in enumerate(spec.get(direction) or ()):
            where = f"spec.{direction}[{index}]"
            for place, port in enumerate(rule.get("ports") or ()):
                yield from _port(port, f"{where}.ports[{place}]")
            for place, peer in enumerate(rule.get(peers) or ()):
                yield from _peer(peer, f"{where}.{peers}[{place}]")


def _port(port: Object, where: str) -> Iterator[Cause]:
    first, last = port.get("port"), port.get("endPort")
    if isinstance(first, str):
        if not _PORT_NAME.fullmatch(first):
            said = "must be the name of a port: at most 15 of a-z, 0-9 and single hyphens inside, at least one letter"
            yield f"{where}.port", f'Invalid value: "{first}": {said}'
        if last is not None:
            yield f"{where}.endPort", f"Invalid value: {last}: may not be specified when `port` is non-numeric"
        return
    for field, number in (("port", first), ("endPort", last)):
        if number is not None and not 0 < number <= 65535:
            yield f"{where}.{field}", f"Invalid value: {number}: must be between 1 and 65535, inclusive"
    if last is not None and first is None:
        yield f"{where}.endPort", f"Invalid value: {last}: may not be specified when `port` is not specified"
    elif last is not None and first is not None and last < first:
        yield f"{where}.endPort", f"Invalid value: {last}: must be greater than or equal to `port`"


def _peer(peer: Object, where: str) -> Iterator[Cause]:
    selectors = [name for name in ("podSelector", "namespaceSelector") if name in peer]
    for name in selectors:
        yield from _selector(peer[name], f"{where}.{name}")
    if "ipBlock" in peer:
        yield from _block(peer["ipBlock"], f"{where}.ipBlock")
        if selectors:
            yield where, "Forbidden: may not specify both ipBlock and another peer"
    elif not selectors:
        yield where, "Required value: must specify a peer"


def _block(block: Object, where: str) -> Iterator[Cause]:
    whole = _network(block["cidr"])
    if whole is None:
        yield f"{where}.cidr", f'Invalid value: "{block["cidr"]}": {_CIDR}'
    for index, text in enumerate(block.get("except") or ()):
        part, place = _network(text), f"{where}.except[{index}]"
        if part is None:
            yield place, f'Invalid value: "{text}": {_CIDR}'
        elif whole is not None and not _within(part, whole):
            yield place, f'Invalid value: "{text}": must be a strict subset of `cidr`'


_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def _network(text: str) -> _Network | None:
    try:
        return ipaddress.ip_network(text, strict=False) if "/" in text else None
    except ValueError:
        return None


def _within(part: _Network, whole: _Network) -> bool:
    inside = part.version == whole.version and part.network_address in whole
    return inside and part.prefixlen > whole.prefixlen


def _selector(selector: Object, where: str) -> Iterator[Cause]:
    for index, one in enumerate(selector.get("matchExpressions") or ()):
        operator, values, place = one["operator"], one.get("values"), f"{where}.matchExpressions[{index}]"
        if operator in ("In", "NotIn") and not values:
            yield f"{place}.values", "Required value: must be specified when `operator` is 'In' or 'NotIn'"
        elif operator in ("Exists", "DoesNotExist") and values:
            yield (
                f"{place}.values",
                "Forbidden: may not be specified when `operator` is 'Exists' or 'DoesNotExist'",
            )
        elif operator not in ("In", "NotIn", "Exists", "DoesNotExist"):
            yield f"{place}.operator", f'Invalid value: "{operator}": not a valid selector operator'
