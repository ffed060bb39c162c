"""NetworkPolicies, a workload and a call → which of them isolate the workload, and whether one lets the caller connect.

Semantics: Kubernetes, networking.k8s.io/v1. The caller is its service account, as at a sidecar: Pods that a peer chooses by
label are their accounts, and who shows no certificate comes in only where everybody may. Addresses are those of `Call`.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from .calls import Call, Object, Workload
from .matching import parts

Labels = Mapping[str, str]


class Network(NamedTuple):
    """`policies` are NetworkPolicies; of `pods` and `namespaces` those are looked up that policies choose by label."""

    policies: Sequence[Object] = ()
    pods: Sequence[Object] = ()
    namespaces: Sequence[Object] = ()

    def isolating(self, workload: Workload) -> list[Object]:
        own = [one for one in self.policies if one["metadata"]["namespace"] == workload.namespace]
        found = [one for one in own if _for_ingress(one["spec"]) and chooses(_selector(one["spec"]), workload.labels)]
        return sorted(found, key=lambda one: str(one["metadata"]["name"]))

    def lets_in(self, isolating: Sequence[Object], workload: Workload, call: Call) -> bool:
        return any(
            _opens(rule, workload, call.port)
            and (not rule.get("from") or any(self._is(peer, one, call) for peer in rule["from"]))
            for one in isolating
            for rule in one["spec"].get("ingress") or ()
        )

    def _is(self, peer: Object, policy: Object, call: Call) -> bool:
        if block := peer.get("ipBlock"):
            inside = [_within(call.source_ip, one) for one in (block["cidr"], *(block.get("except") or ()))]
            return inside[0] and not any(inside[1:])
        domain, namespace, account = parts(call.identity)
        if domain != "cluster.local" or namespace not in self._chosen(peer, policy):
            return False
        selector = peer.get("podSelector") or {}
        return not any(selector.values()) or (namespace, account) in self._accounts(selector)

    def _chosen(self, peer: Object, policy: Object) -> set[str]:
        if peer.get("namespaceSelector") is None:
            return {policy["metadata"]["namespace"]}
        known = [one["metadata"] for one in self.namespaces]
        return {meta["name"] for meta in known if chooses(peer["namespaceSelector"], meta.get("labels") or {})}

    def _accounts(self, selector: Object) -> set[tuple[str, str]]:
        alive = [pod for pod in self.pods if (pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed")]
        found = [pod for pod in alive if chooses(selector, pod["metadata"].get("labels") or {})]
        return {(pod["metadata"]["namespace"], pod["spec"].get("serviceAccountName", "default")) for pod in found}


def named(policies: Sequence[Object]) -> str:
    """As a sidecar's log has it."""
    names = ",".join(one["metadata"]["name"] for one in policies)
    return f"ns[{policies[0]['metadata']['namespace']}]-networkpolicies[{names}]"


def chooses(selector: Object, labels: Labels) -> bool:
    """A LabelSelector; an empty one chooses everything."""
    wanted = (selector.get("matchLabels") or {}).items()
    return all(labels.get(key) == value for key, value in wanted) and all(
        _holds(one["operator"], labels.get(one["key"]), one.get("values") or ())
        for one in selector.get("matchExpressions") or ()
    )


def _holds(operator: str, held: str | None, values: Sequence[str]) -> bool:
    if operator in ("In", "NotIn"):
        return (held in values) is (operator == "In")
    return (held is not None) is (operator == "Exists")


def _for_ingress(spec: Object) -> bool:
    return "Ingress" in (spec.get("policyTypes") or ("Ingress",))


def _selector(spec: Object) -> Object:
    return spec.get("podSelector") or {}


def _opens(rule: Object, workload: Workload, port: int) -> bool:
    return not rule.get("ports") or any(_is_port(one, workload, port) for one in rule["ports"])


def _is_port(wanted: Object, workload: Workload, port: int) -> bool:
    first = wanted.get("port")
    if wanted.get("protocol", "TCP") != "TCP":
        return False
    if isinstance(first, str):
        return (first, port) in workload.names
    return first is None or first <= port <= (wanted.get("endPort") or first)


def _within(address: str, block: str) -> bool:
    return ipaddress.ip_address(address) in ipaddress.ip_network(block, strict=False)
