"""NetworkPolicies that choose a Pod → what stands before each of its ports: whoever none of them lets in is cut off.

Kubernetes' semantics (networking.k8s.io/v1): a Pod is isolated once a policy for Ingress chooses it; policies only add. The
other end is known by its certificate, not by its address: Pods that a peer chooses by label are their service accounts, so
another Pod of the same account comes in too, and whoever shows no certificate only where everybody may.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ..objects.kinds import NAMESPACE, NETWORK_POLICY, POD
from ..objects.meta import Object, labels_of
from ..objects.pods import containers_of, has_ended
from ..objects.selectors import matches
from .rbac import WHO
from .world import World, spiffe

Resource = dict[str, Any]

_RBAC = "type.googleapis.com/envoy.extensions.filters.network.rbac.v3.RBAC"
_ANYBODY: Resource = {"any": True}


def of_pod(world: World, pod: Object) -> list[Object]:
    """Those that isolate it, by name."""
    own = world.list(NETWORK_POLICY, pod["metadata"]["namespace"])
    found = [one for one in own if "Ingress" in one["spec"]["policyTypes"] and _chosen(one, pod)]
    return sorted(found, key=lambda one: str(one["metadata"]["name"]))


def filters(world: World, pod: Object, policies: Sequence[Object], ports: Iterable[int]) -> dict[int, list[Resource]]:
    """containerPort → the filters that its listener begins with: none where everybody may connect."""
    found = {port: _who(world, pod, policies, port) if policies else [_ANYBODY] for port in ports}
    return {port: [] if _ANYBODY in who else [_filter(policies, who)] for port, who in found.items()}


def look_around(policies: Iterable[Object]) -> bool:
    """Whether what they say depends on other Pods or Namespaces."""
    peers = [peer for one in policies for rule in one["spec"].get("ingress") or () for peer in rule.get("from") or ()]
    return any(peer.get("podSelector") or peer.get("namespaceSelector") for peer in peers)


def _chosen(policy: Object, pod: Object) -> bool:
    return matches(policy["spec"].get("podSelector") or {}, labels_of(pod))


def _filter(policies: Sequence[Object], who: list[Resource]) -> Resource:
    """It denies all others, so that the log can name whose doing it is: an ALLOW that none matches has no name."""
    namespace = policies[0]["metadata"]["namespace"]
    name = f"ns[{namespace}]-networkpolicies[{','.join(one['metadata']['name'] for one in policies)}]"
    others = _ANYBODY if not who else WHO.none_of(who)
    rules = {"action": "DENY", "policies": {name: {"permissions": [{"any": True}], "principals": [others]}}}
    config = {"@type": _RBAC, "stat_prefix": "networkpolicy_", "rules": rules}
    return {"name": "envoy.filters.network.rbac", "typed_config": config}


def _who(world: World, pod: Object, policies: Sequence[Object], port: int) -> list[Resource]:
    """Each principal once."""
    found: dict[str, Resource] = {}
    for policy in policies:
        for rule in policy["spec"].get("ingress") or ():
            if _opens(rule, pod, port):
                peers = rule.get("from") or ()
                named = [one for peer in peers for one in _peer(world, peer, policy["metadata"]["namespace"])]
                found |= {str(one): one for one in (named if peers else [_ANYBODY])}
    return [found[name] for name in sorted(found)]


def _opens(rule: Object, pod: Object, port: int) -> bool:
    ports = [one for one in rule.get("ports") or () if one.get("protocol", "TCP") == "TCP"]
    return any(_is(one, pod, port) for one in ports) if rule.get("ports") else True


def _is(wanted: Object, pod: Object, port: int) -> bool:
    first = wanted.get("port")
    if isinstance(first, str):
        declared = [p for container in containers_of(pod) for p in container.get("ports") or ()]
        return any(p.get("name") == first and p["containerPort"] == port for p in declared)
    return first is None or first <= port <= (wanted.get("endPort") or first)


def _peer(world: World, peer: Object, home: str) -> Iterator[Resource]:
    if block := peer.get("ipBlock"):
        left_out = [_block(one) for one in block.get("except") or ()]
        yield WHO.every([_block(block["cidr"]), *([WHO.none_of(left_out)] if left_out else [])])
        return
    selector, spaces = peer.get("podSelector") or {}, peer.get("namespaceSelector")
    if not selector and spaces is not None and not any(spaces.values()):
        yield _shown({"prefix": "spiffe://cluster.local/ns/"})
        return
    for namespace in [home] if spaces is None else _namespaces(world, spaces):
        if not any(selector.values()):
            yield _shown({"prefix": spiffe(namespace, "")})
            continue
        yield from (_shown({"exact": spiffe(namespace, name)}) for name in _accounts(world, namespace, selector))


def _namespaces(world: World, selector: Mapping[str, Any]) -> list[str]:
    return [one["metadata"]["name"] for one in world.list(NAMESPACE) if matches(dict(selector), labels_of(one))]


def _accounts(world: World, namespace: str, selector: Mapping[str, Any]) -> list[str]:
    pods = [pod for pod in world.list(POD, namespace) if matches(dict(selector), labels_of(pod)) and not has_ended(pod)]
    return sorted({pod["spec"].get("serviceAccountName", "default") for pod in pods})


def _shown(matcher: Resource) -> Resource:
    return {"authenticated": {"principal_name": matcher}}


def _block(cidr: str) -> Resource:
    address, _, length = cidr.partition("/")
    return {"direct_remote_ip": {"address_prefix": address, "prefix_len": int(length)}}
