"""PeerAuthentications and a Pod → what each of its ports asks of a connection: STRICT, PERMISSIVE or DISABLE.

The narrowest wins: port, workload, namespace, mesh; UNSET leaves it to the wider one, and in one scope the oldest speaks
alone (istio/istio, pilot/pkg/security/authn/policy_applier.go). A selector in the root namespace selects nothing elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..objects.meta import Object
from .policies import ROOT, age, selects

STRICT, PERMISSIVE, DISABLE, _UNSET = "STRICT", "PERMISSIVE", "DISABLE", "UNSET"
_MESH, _NAMESPACE, _WORKLOAD = range(3)


def mode(policies: Iterable[Object], pod: Object, port: int) -> str:
    """`port` is a containerPort."""
    speaking: dict[int, Object] = {}
    for policy in sorted(policies, key=age):
        scope = _scope(policy, pod)
        if scope is not None:
            speaking.setdefault(scope, policy.get("spec") or {})
    said = [_mode((speaking.get(_WORKLOAD) or {}).get("portLevelMtls", {}).get(str(port)))]
    said += [_mode(speaking.get(scope, {}).get("mtls")) for scope in (_WORKLOAD, _NAMESPACE, _MESH)]
    return next((one for one in said if one != _UNSET), PERMISSIVE)


def _scope(policy: Object, pod: Object) -> int | None:
    spec, namespace = policy.get("spec") or {}, policy["metadata"]["namespace"]
    own, root = namespace == pod["metadata"]["namespace"], namespace == ROOT
    if (spec.get("selector") or {}).get("matchLabels"):
        return _WORKLOAD if own and not root and selects(spec, pod) else None
    return _MESH if root else _NAMESPACE if own else None


def _mode(mtls: Object | None) -> str:
    return str((mtls or {}).get("mode", _UNSET))
