"""Policies, a workload and a call → what its proxy decides, and which policy: CUSTOM, then DENY, then ALLOW.

First the connection itself: a workload that is STRICT takes no plaintext, one that is DISABLE sees no identity, and one that
NetworkPolicies isolate takes only whom one of them lets in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import NamedTuple

from . import matching
from .calls import Call, Object, Workload
from .network import Network, named

ROOT = "istio-system"
_GATEWAY_NAME = "gateway.networking.k8s.io/gateway-name"
_TRUE = ("1", "t", "T", "TRUE", "true", "True")


class Decision(NamedTuple):
    """`verdict`: allowed, denied, or asked, of the provider that `policy` names. `policy`: ns[…]-policy[…]-rule[…] as the
    proxy's log has it, ns[…]-networkpolicies[…] where those cut it off, "none" where no ALLOW policy matched, "" where none
    applies. `audited`: AUDIT policies that matched."""

    verdict: str
    policy: str
    reason: str
    audited: tuple[str, ...] = ()


class _Place(NamedTuple):
    """Where a rule is read: the namespace of its policy."""

    namespace: str


Test = Callable[[str, Call, _Place], bool]


def decide(
    policies: Iterable[Object],
    peers: Iterable[Object],
    workload: Workload,
    call: Call,
    network: Network = Network(),  # noqa: B008 - it is immutable
) -> Decision:
    """`policies` are AuthorizationPolicies, `peers` PeerAuthentications: any, those that apply are found."""
    mode = mtls_mode(peers, workload, call.port)
    if mode == "STRICT" and not call.identity:
        return Decision("denied", "", "PeerAuthentication STRICT: no plaintext")
    if mode == "DISABLE":
        call = replace(call, identity="", sni="")
    isolating = network.isolating(workload)
    if isolating and not network.lets_in(isolating, workload, call):
        return Decision("denied", named(isolating), "no NetworkPolicy lets it connect")
    mine = [one for one in policies if applies(one, workload) and not _tried(one)]
    matched = {action: _matched(_of(mine, action), call) for action in ("CUSTOM", "AUDIT", "DENY", "ALLOW")}
    audited = tuple(matched["AUDIT"])
    if matched["DENY"]:
        return Decision("denied", matched["DENY"][0], "a DENY policy matches", audited)
    if _of(mine, "ALLOW") and not matched["ALLOW"]:
        return Decision("denied", "none", "no ALLOW policy matches", audited)
    if matched["CUSTOM"]:
        return Decision("asked", matched["CUSTOM"][0], "a CUSTOM policy asks its provider", audited)
    if matched["ALLOW"]:
        return Decision("allowed", matched["ALLOW"][0], "an ALLOW policy matches", audited)
    return Decision("allowed", "", "no ALLOW policy applies", audited)


def applies(policy: Object, workload: Workload) -> bool:
    spec, namespace = policy.get("spec") or {}, policy["metadata"]["namespace"]
    if spec.get("targetRefs"):
        gateway = workload.labels.get(_GATEWAY_NAME)
        return namespace == workload.namespace and any(one["name"] == gateway for one in spec["targetRefs"])
    return namespace in (workload.namespace, ROOT) and _selects(spec, workload)


def mtls_mode(peers: Iterable[Object], workload: Workload, port: int) -> str:
    """STRICT, PERMISSIVE or DISABLE: port, workload, namespace, mesh; in each the oldest speaks, UNSET passes it on."""
    oldest: dict[str, Object] = {}
    for peer in sorted(peers, key=lambda one: (one["metadata"].get("creationTimestamp", ""), one["metadata"]["name"])):
        if scope := _scope(peer, workload):
            oldest.setdefault(scope, peer.get("spec") or {})
    ports = oldest.get("workload", {}).get("portLevelMtls") or {}
    said = [ports.get(str(port)), *(oldest.get(scope, {}).get("mtls") for scope in ("workload", "namespace", "mesh"))]
    modes = [(one or {}).get("mode", "UNSET") for one in said]
    return next((mode for mode in modes if mode != "UNSET"), "PERMISSIVE")


def _scope(peer: Object, workload: Workload) -> str:
    spec, namespace = peer.get("spec") or {}, peer["metadata"]["namespace"]
    if (spec.get("selector") or {}).get("matchLabels"):
        own = namespace == workload.namespace != ROOT
        return "workload" if own and _selects(spec, workload) else ""
    return "mesh" if namespace == ROOT else "namespace" if namespace == workload.namespace else ""


def _selects(spec: Object, workload: Workload) -> bool:
    return ((spec.get("selector") or {}).get("matchLabels") or {}).items() <= dict(workload.labels).items()


def _tried(policy: Object) -> bool:
    return (policy["metadata"].get("annotations") or {}).get("istio.io/dry-run", "") in _TRUE


def _of(policies: Iterable[Object], action: str) -> list[Object]:
    return [one for one in policies if (one.get("spec") or {}).get("action", "ALLOW") == action]


def _matched(policies: Iterable[Object], call: Call) -> list[str]:
    """By name: a proxy tells the first in the order of their names."""
    found = []
    for policy in policies:
        meta = policy["metadata"]
        for index, rule in enumerate((policy.get("spec") or {}).get("rules") or ()):
            if _holds(rule, call, _Place(meta["namespace"])):
                found.append(f"ns[{meta['namespace']}]-policy[{meta['name']}]-rule[{index}]")
    return sorted(found)


def _holds(rule: Object, call: Call, place: _Place) -> bool:
    sources = [item.get("source") or {} for item in rule.get("from") or ()] or [{}]
    operations = [item.get("operation") or {} for item in rule.get("to") or ()] or [{}]
    return (
        any(_item(one, _SOURCE, call, place) for one in sources)
        and any(_item(one, _OPERATION, call, place) for one in operations)
        and all(_values(_attribute(when["key"]), when, call, place) for when in rule.get("when") or ())
    )


def _item(item: Object, fields: Mapping[str, Test], call: Call, place: _Place) -> bool:
    def given(field: str) -> Object:
        return {"values": item.get(field), "notValues": item.get(f"not{field[0].upper()}{field[1:]}")}

    return all(_values(test, given(field), call, place) for field, test in fields.items())


def _values(test: Test, given: Object, call: Call, place: _Place) -> bool:
    wanted, unwanted = given.get("values") or (), given.get("notValues") or ()
    return (not wanted or any(test(value, call, place) for value in wanted)) and not any(
        test(value, call, place) for value in unwanted
    )


_OPERATION: dict[str, Test] = {
    "hosts": lambda value, call, _: matching.host(value, call.host),
    "ports": lambda value, call, _: int(value) == call.port,
    "methods": lambda value, call, _: matching.header(value, call.method),
    "paths": lambda value, call, _: matching.path(value, call.path),
}
_SOURCE: dict[str, Test] = {
    "principals": lambda value, call, _: matching.principal(value, call.identity),
    "requestPrincipals": lambda value, call, _: matching.request_principal(value, call.claims),
    "namespaces": lambda value, call, _: matching.namespace(value, call.identity),
    "serviceAccounts": lambda value, call, place: matching.account(value, call.identity, place.namespace),
    "trustDomains": lambda value, call, _: matching.trust_domain(value, call.identity),
    "ipBlocks": lambda value, call, _: matching.address(value, call.source_ip),
    "remoteIpBlocks": lambda value, call, _: matching.address(value, call.remote_ip),
}
_ATTRIBUTES: dict[str, Test] = {
    "source.ip": _SOURCE["ipBlocks"],
    "remote.ip": _SOURCE["remoteIpBlocks"],
    "source.namespace": _SOURCE["namespaces"],
    "source.principal": _SOURCE["principals"],
    "source.serviceAccount": _SOURCE["serviceAccounts"],
    "source.trustDomain": _SOURCE["trustDomains"],
    "request.auth.principal": _SOURCE["requestPrincipals"],
    "request.auth.audiences": lambda value, call, _: matching.claim(value, ("aud",), call.claims),
    "request.auth.presenter": lambda value, call, _: matching.claim(value, ("azp",), call.claims),
    "destination.ip": lambda value, call, _: matching.address(value, call.destination_ip),
    "destination.port": _OPERATION["ports"],
    "connection.sni": lambda value, call, _: matching.text(value, call.sni),
}


def _attribute(key: str) -> Test:
    name, bracket, inside = key.partition("[")
    if not bracket:
        return _ATTRIBUTES[key]
    inside = inside.removesuffix("]")
    if name == "request.headers":
        return lambda value, call, _: matching.header(value, call.headers.get(inside.lower()))
    return lambda value, call, _: matching.claim(value, inside.split("]["), call.claims)
