"""Objects of security.istio.io and a Pod → those that apply to it, oldest first.

A policy speaks for its own namespace, in the root namespace for the whole mesh; a selector narrows it. targetRefs attach it
to the proxies of a Gateway API Gateway of its namespace and to nothing else (istio/istio, pilot/pkg/model/policyattachment.go).
"""

from __future__ import annotations

from collections.abc import Iterable

from ..objects.meta import Object, labels_of

ROOT = "istio-system"
_GATEWAY_NAME = "gateway.networking.k8s.io/gateway-name"


def applying(policies: Iterable[Object], pod: Object) -> list[Object]:
    found = [policy for policy in policies if _applies(policy, pod)]
    return sorted(found, key=age)


def age(policy: Object) -> tuple[str, str, str]:
    meta = policy["metadata"]
    return meta.get("creationTimestamp", ""), meta["name"], meta["namespace"]


def selects(spec: Object, pod: Object) -> bool:
    wanted = (spec.get("selector") or {}).get("matchLabels") or {}
    return bool(wanted.items() <= labels_of(pod).items())


def _applies(policy: Object, pod: Object) -> bool:
    spec, namespace = policy.get("spec") or {}, policy["metadata"]["namespace"]
    own = namespace == pod["metadata"]["namespace"]
    if targets := spec.get("targetRefs"):
        gateway = labels_of(pod).get(_GATEWAY_NAME)
        return own and any(target["name"] == gateway for target in targets)
    return (own or namespace == ROOT) and selects(spec, pod)
